/* Between the addresses of header fields (mime/) and those of the envelope (smtp/). */
#include "cli/cli_compose.h"

#include <sys/random.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cli/cli_text.h"

void cli_compose_message_id(struct buf *b, struct str domain)
{
	uint8_t random[10];

	MUST(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
	buf_i64(b, clock_now());
	buf_byte(b, '.');
	buf_hex(b, str_of(random, sizeof random));
	buf_byte(b, '@');
	buf_str(b, domain.n ? domain : STR("localhost"));
}

static int no_address(struct str text, struct err *e)
{
	struct buf safe;

	buf_init(&safe, LIMIT_ERR_TEXT);
	cli_text_put(&safe, str_sub(text, 0, LIMIT_ERR_TEXT / 4));
	err_set(e, "\"%s\" is no mail address; write it like bob@example.org", buf_cstr(&safe));
	buf_fini(&safe);
	return -1;
}

int cli_compose_path(struct arena *a, const struct mime_address *from, struct str domain,
    struct smtp_path *path_r, struct err *e)
{
	struct mime_address full = *from;
	struct buf text;
	int result = 0;

	buf_init(&text, 4 * LIMIT_ADDRESS);
	if (full.domain.n == 0)
		full.domain = domain;
	mime_address_put_spec(&text, &full);
	if (text.overflow || smtp_mailbox_parse(buf_view(&text), true, a, path_r) != SMTP_PATH_OK)
		result = no_address(buf_view(&text), e);
	buf_fini(&text);
	return result;
}

int cli_compose_address(
    struct arena *a, const char *text, struct mime_address *address_r, struct err *e)
{
	struct mime_address_list list = {0};

	if (cli_compose_addresses(a, text, &list, e) < 0)
		return -1;
	if (list.n != 1)
		return err_set(e, "\"%s\" must be one mail address", text);
	*address_r = list.v[0];
	return 0;
}

int cli_compose_addresses(
    struct arena *a, const char *text, struct mime_address_list *list, struct err *e)
{
	struct mime_address_list more;
	struct mime_address *v;
	size_t n = list->n;

	if (mime_address_parse(a, str_of_c(text), LIMIT_SMTP_RCPT_MAX, &more) != MIME_ADDRESS_OK ||
	    more.n == 0)
		return no_address(str_of_c(text), e);
	v = arena_array(a, n + more.n, sizeof *v);
	for (size_t i = 0; i < n; i++)
		v[i] = list->v[i];
	for (size_t i = 0; i < more.n; i++)
		if (more.v[i].kind == MIME_ADDRESS_MAILBOX)
			v[n++] = more.v[i];
	list->v = v;
	list->n = n;
	return 0;
}

int cli_compose_check(struct arena *a, const struct mime_address_list *list, struct err *e)
{
	struct smtp_path path;

	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i].domain.n == 0)
			return no_address(list->v[i].local, e);
		if (cli_compose_path(a, &list->v[i], STR(""), &path, e) < 0)
			return -1;
	}
	return 0;
}

/* Parameters that the content and the addresses make necessary. */
static void set_params(
    struct smtp_client_message *m, struct str header, bool body_8bit, uint64_t size, bool utf8)
{
	bool header_8bit = str_has_8bit(header);

	m->params.size = size;
	m->params.body = header_8bit || body_8bit ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT;
	m->params.smtputf8 = utf8 || (header_8bit && utf8_is_valid(header));
}

int cli_compose_envelope(struct arena *a, const struct smtp_path *reverse,
    const struct mime_address_list *lists, size_t n, struct str domain, struct str header,
    bool body_8bit, uint64_t size, struct smtp_client_message *message_r, struct err *e)
{
	struct smtp_client_message m = {.reverse = *reverse};
	struct smtp_client_rcpt *rcpts;
	bool utf8 = reverse->needs_utf8;
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += lists[i].n;
	if (total == 0)
		return err_set(e, "the message has no recipients");
	if (total > LIMIT_SMTP_RCPT_MAX)
		return err_set(e, "%zu recipients are too many; %d are allowed in one message",
		    total, LIMIT_SMTP_RCPT_MAX);
	rcpts = arena_array(a, total, sizeof *rcpts);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < lists[i].n; k++) {
			struct smtp_client_rcpt *r = &rcpts[m.rcpt_count++];

			if (cli_compose_path(a, &lists[i].v[k], domain, &r->path, e) < 0)
				return -1;
			utf8 |= r->path.needs_utf8;
		}
	}
	m.rcpts = rcpts;
	set_params(&m, header, body_8bit, size, utf8);
	*message_r = m;
	return 0;
}
