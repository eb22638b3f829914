/* What a server would begin with: a directory is good, then one thing of it is wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config_file.h"
#include "net/tls.h"
#include "proc/preflight.h"

static char dir[] = "/tmp/godwit-preflight-XXXXXX";

static const char *in_dir(struct buf *b, const char *name)
{
	buf_clear(b);
	buf_printf(b, "%s/%s", dir, name);
	return buf_cstr(b);
}

static void put_file(const char *name, unsigned mode, struct str content)
{
	struct buf path;
	struct err e = {""};

	buf_init(&path, 256);
	unlink(in_dir(&path, name));
	if (config_file_create(buf_cstr(&path), mode, content, &e) < 0)
		fail_msg("%s", e.text);
	buf_fini(&path);
}

#define USERS "hostname = \"mail.x.org\"; user_store = \"nobody\"; user_net = \"daemon\";\n"

static void put_config(const char *more)
{
	struct buf text;

	buf_init(&text, KIB);
	buf_lit(&text, USERS);
	buf_c(&text, more);
	put_file("godwit.conf", 0644, buf_view(&text));
	buf_fini(&text);
}

/* A certificate, its key; only what is named is written. */
static void put_pair(const char *certificate_name, const char *key_name)
{
	struct buf certificate, key;
	struct err e = {""};

	buf_init(&certificate, TLS_PEM_MAX);
	buf_init(&key, TLS_PEM_MAX);
	assert_int_equal(
	    tls_self_signed(STR("mail.x.org"), clock_now(), &certificate, &key, &e), 0);
	if (certificate_name)
		put_file(certificate_name, 0644, buf_view(&certificate));
	if (key_name)
		put_file(key_name, 0600, buf_view(&key));
	buf_fini(&certificate);
	buf_wipe(&key);
}

static int make_dir(void **state)
{
	struct buf b;

	buf_init(&b, 256);
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	if (!mkdtemp(dir) || mkdir(in_dir(&b, "tls"), 0700) < 0)
		return -1;
	if (geteuid() == 0 && chown(dir, getpwnam("nobody")->pw_uid, (gid_t)-1) < 0)
		return -1;
	buf_fini(&b);
	put_config("");
	put_pair("tls/certificate.pem", "tls/key.pem");
	return 0;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"godwit.conf", "tls/certificate.pem", "tls/key.pem"};
	struct buf b;

	buf_init(&b, 256);
	for (size_t i = 0; i < 3; i++)
		unlink(in_dir(&b, names[i]));
	rmdir(in_dir(&b, "tls"));
	buf_fini(&b);
	return rmdir(dir);
}

/* want: with the directory in place of each "@". */
static void refused(const char *want)
{
	struct preflight p = {NULL};
	struct err e = {""};
	struct buf text;

	buf_init(&text, KIB);
	for (const char *c = want; *c; c++)
		if (*c == '@')
			buf_c(&text, dir);
		else
			buf_byte(&text, (uint8_t)*c);
	assert_int_equal(preflight_load(dir, 1, &p, &e), -1);
	assert_string_equal(e.text, buf_cstr(&text));
	assert_null(p.config);
	buf_fini(&text);
}

static void test_good(void **state)
{
	struct preflight p = {NULL};
	struct err e = {""};

	assert_int_equal(preflight_load(dir, 7, &p, &e), 0);
	assert_int_equal(p.config->number, 7);
	assert_true(str_has_prefix(buf_view(&p.certificate), STR("-----BEGIN CERTIFICATE-----")));
	assert_true(str_has_prefix(buf_view(&p.key), STR("-----BEGIN PRIVATE KEY-----")));
	preflight_fini(&p);
	preflight_fini(&p);
}

static void test_options(void **state)
{
	put_config("ports = 5;\n");
	refused("@/godwit.conf:2: ports is a group: ports = { ... };");
}

static void test_no_certificate(void **state)
{
	put_file("tls/certificate.pem", 0644, STR(""));
	refused(
	    "@/tls/certificate.pem (tls_certificate) holds no certificate in PEM that can be read "
	    "(no start line): put the server's own there, then its chain");
	put_config("tls_certificate = \"tls/none.pem\";\n");
	refused("@/tls/none.pem does not exist; put the certificate there, or name its file with "
		"tls_certificate in godwit.conf");
}

static void test_no_key(void **state)
{
	put_file("tls/key.pem", 0600, STR("nonsense"));
	refused(
	    "@/tls/key.pem (tls_key) holds no key in PEM that can be read (unsupported): put the "
	    "certificate's key there, and not encrypted");
	put_file("tls/key.pem", 0644, STR("nonsense"));
	refused("@/tls/key.pem can be read by everybody (mode 0644): run chmod 600 @/tls/key.pem");
}

static void test_key_of_another(void **state)
{
	put_pair(NULL, "tls/key.pem");
	refused(
	    "@/tls/key.pem (tls_key) is not the key of the certificate in @/tls/certificate.pem "
	    "(tls_certificate) (key values mismatch): put the two there that belong together");
}

static void test_users(void **state)
{
	if (geteuid() != 0)
		skip();
	put_file("godwit.conf", 0644, STR("hostname = \"mail.x.org\"; user_store = \"nobodyy\";"));
	refused(
	    "@/godwit.conf: user_store: there is no system user nobodyy; create it with: useradd "
	    "--system --shell /usr/sbin/nologin nobodyy");
	put_file("godwit.conf", 0644, STR("hostname = \"mail.x.org\"; user_store = \"daemon\";"));
	refused("@ does not belong to the user daemon; cure: chown -R daemon @ && chown -R root "
		"@/godwit.conf @/tls");
	put_file("godwit.conf", 0644,
	    STR("hostname = \"x\"; user_store = \"nobody\"; user_net = \"root\";"));
	refused("@/godwit.conf: user_net names root, who may do everything; name a user of the "
		"server's own");
	put_file("godwit.conf", 0644,
	    STR("hostname = \"x\"; user_store = \"nobody\"; user_net = \"nobody\";"));
	refused(
	    "@/godwit.conf: user_store and user_net are both nobody; name two users, so that the "
	    "processes that talk to the network cannot read the mail");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_good, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_options, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_no_certificate, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_no_key, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_key_of_another, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_users, make_dir, remove_dir),
	};

	return cmocka_run_group_tests_name("proc/preflight", tests, NULL, NULL);
}
