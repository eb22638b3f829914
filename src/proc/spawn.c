#include "proc/spawn.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/sock.h"
#include "proc/child.h"

/* Only now may the handle be used for the next process. */
static void on_process_closed(uv_handle_t *handle)
{
	struct spawn *s = handle->data;

	s->running = false;
	s->on_exit(s, s->exit_status, s->exit_signal);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
	struct spawn *s = process->data;

	s->ready = false;
	s->exit_status = status;
	s->exit_signal = signal;
	peer_close(&s->link);
	uv_close((uv_handle_t *)process, on_process_closed);
}

int spawn_start(struct spawn *s, uv_loop_t *loop, const struct peer_config *config, struct err *e)
{
	char role[16];
	char program[] = "godwit", command[] = "process";
	char *args[] = {program, command, role, NULL};
	uv_stdio_container_t stdio[CHILD_LINK_FD + 1] = {
	    {.flags = UV_IGNORE},
	    {.flags = UV_IGNORE},
	    {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
	    {.flags = UV_INHERIT_FD},
	};
	uv_process_options_t options = {.file = "/proc/self/exe",
	    .args = args,
	    .stdio = stdio,
	    .stdio_count = CHILD_LINK_FD + 1,
	    .exit_cb = on_process_exit};
	int fds[2], r;

	if (ipc_sock_pair(fds))
		return err_set(e, "cannot make a socket pair: %m");
	snprintf(role, sizeof role, "%s", sc_role_name(s->role));
	stdio[CHILD_LINK_FD].data.fd = fds[1];
	r = uv_spawn(loop, &s->process, &options);
	close(fds[1]);
	if (r) {
		close(fds[0]);
		uv_close((uv_handle_t *)&s->process, NULL);
		return err_set(e, "cannot start the process %s: %s", role, uv_strerror(r));
	}
	s->process.data = s;
	s->running = true;
	s->draining = false;
	s->failed = s->mistrusted = false;
	watch_begin(&s->watch);
	s->started = clock_now();
	s->started_mono = clock_mono();
	s->link = peer_new(loop, config, fds[0], s);
	return 0;
}

void spawn_tell(struct spawn *s, uint16_t type, struct str payload, int fd)
{
	if (s->link && s->link->link)
		ipc_event(s->link->link, type, payload, fd);
	else if (fd >= 0)
		close(fd);
}

void spawn_kill(struct spawn *s)
{
	if (s->running && !uv_is_closing((uv_handle_t *)&s->process))
		uv_process_kill(&s->process, SIGKILL);
}
