/* What is shown while a command takes its time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "cli/cli_progress.h"

/* Of one kind a line a few times a second; another kind is told of at once. */
static void a_line_of_another_kind_does_not_wait(void **state)
{
	struct cli_progress p = {.shown = true};
	int before = dup(STDERR_FILENO), pipes[2];
	char shown[256] = "";
	ssize_t n;

	assert_int_equal(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	cli_progress_share(&p, "reading the database", 1, 2);
	cli_progress_share(&p, "copied", 1, 2);
	cli_progress_share(&p, "copied", 2, 2);
	cli_progress_clear(&p);
	dup2(before, STDERR_FILENO);
	n = read(pipes[0], shown, sizeof shown - 1);
	assert_true(n > 0);
	assert_string_equal(
	    shown, "\rreading the database: 1 of 2\033[K\rcopied: 1 of 2\033[K\r\033[K");
	close(before);
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_of_another_kind_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
