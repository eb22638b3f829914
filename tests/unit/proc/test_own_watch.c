/* When processes are told which addresses are our own, and what they know then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ipc/super_child.h"
#include "proc/own_list.h"
#include "proc/own_watch.h"

static uv_loop_t loop;
static struct own_watch watch;
static int changes;

static void on_changed(struct own_watch *w)
{
	assert_ptr_equal(w, &watch);
	changes++;
}

static int up(void **state)
{
	changes = 0;
	uv_loop_init(&loop);
	own_watch_init(&watch, &loop, on_changed);
	return 0;
}

static int down(void **state)
{
	own_watch_fini(&watch);
	uv_close((uv_handle_t *)&watch.timer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

static void set(const char *listen)
{
	struct ip ip;

	assert_true(ip_parse(str_of_c(listen), &ip));
	own_watch_set(&watch, &ip, 1);
}

static bool knows(const struct own_list *list, const char *text)
{
	struct ip ip;

	assert_true(ip_parse(str_of_c(text), &ip));
	return own_list_has(list, &ip);
}

/* To whom it is told, in the place of what was told before. */
static bool has(const char *text)
{
	struct own_list list = {0};
	struct ip before;
	struct buf other;
	bool found;

	assert_true(ip_parse(STR("198.51.100.1"), &before));
	buf_init(&other, 64);
	sc_own_put(&other, &before);
	own_list_take(&list, buf_view(&other));
	assert_true(own_list_has(&list, &before));
	own_list_take(&list, buf_view(&watch.list));
	assert_int_equal(list.n * sizeof *list.v, watch.list.n);
	assert_false(own_list_has(&list, &before));
	found = knows(&list, text);
	own_list_fini(&list);
	assert_false(knows(&list, text));
	buf_fini(&other);
	return found;
}

/* Addresses that are named do not change: nothing is looked at again. */
static void test_named(void **state)
{
	set("192.0.2.1");
	assert_int_equal(changes, 1);
	assert_true(has("192.0.2.1") && !has("127.0.0.1"));
	assert_false(uv_is_active((uv_handle_t *)&watch.timer));
	set("192.0.2.1");
	assert_int_equal(changes, 1);
	set("192.0.2.2");
	assert_int_equal(changes, 2);
	assert_true(has("192.0.2.2") && !has("192.0.2.1"));
}

static void test_all_of_the_machine(void **state)
{
	set("0.0.0.0");
	assert_int_equal(changes, 1);
	assert_true(has("127.0.0.1") && !has("0.0.0.0"));
	assert_true(uv_is_active((uv_handle_t *)&watch.timer));
	assert_int_equal(uv_timer_get_repeat(&watch.timer), 30000);
	set("192.0.2.1");
	assert_int_equal(changes, 2);
	assert_false(uv_is_active((uv_handle_t *)&watch.timer));
}

/* What is told when the timer fires is what there is then. */
static void test_looked_at_again(void **state)
{
	set("0.0.0.0");
	buf_clear(&watch.list); /* as if there had been none */
	watch.timer.timer_cb(&watch.timer);
	assert_int_equal(changes, 2);
	assert_true(has("127.0.0.1"));
	watch.timer.timer_cb(&watch.timer);
	assert_int_equal(changes, 2);
}

/* As a command learns them while no server runs. */
static void test_found(void **state)
{
	struct own_list list = {0};
	struct ip listen[2];

	assert_true(ip_parse(STR("0.0.0.0"), &listen[0]));
	assert_true(ip_parse(STR("192.0.2.1"), &listen[1]));
	own_list_find(&list, listen, 2);
	assert_true(knows(&list, "127.0.0.1") && knows(&list, "192.0.2.1"));
	own_list_find(&list, &listen[1], 1);
	assert_true(!knows(&list, "127.0.0.1") && knows(&list, "192.0.2.1"));
	own_list_fini(&list);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_named),
	    T(test_all_of_the_machine),
	    T(test_looked_at_again),
	    T(test_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
