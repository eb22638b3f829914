/* Listeners are bound once and stay open here, so that connections queue while a front is restarted. */
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/front_store.h"
#include "net/net_listen.h"
#include "proc/supervisor_priv.h"

static int add_listener(struct supervisor *sv, int fd, uint8_t kind, enum sc_role role)
{
	if (fd < 0)
		return -1;
	MUST(sv->listener_count < SUPERVISOR_LISTENERS);
	sv->listeners[sv->listener_count++] = (struct supervisor_listener){fd, kind, role};
	return 0;
}

static int bind_tcp(
    struct supervisor *sv, int64_t port, enum fs_listener kind, enum sc_role role, struct err *e)
{
	const struct config_snapshot *c = sv->started;

	for (size_t i = 0; port && i < c->listen.n; i++)
		if (add_listener(sv, net_listen_tcp(&c->listen.v[i], config_port(c, port), e),
			(uint8_t)kind, role))
			return -1;
	return 0;
}

static int bind_unix(struct supervisor *sv, const char *path, mode_t mode, uint8_t kind,
    enum sc_role role, struct err *e)
{
	return add_listener(sv, net_listen_unix(path, mode, e), kind, role);
}

int supervisor_listen_bind(struct supervisor *sv, struct err *e)
{
	const struct config_ports *p = &sv->started->ports;

	if (bind_tcp(sv, p->smtp, FS_LISTENER_SMTP, SC_ROLE_MX, e) ||
	    bind_tcp(sv, p->lmtp, FS_LISTENER_LMTP, SC_ROLE_MX, e) ||
	    bind_tcp(sv, p->submission, FS_LISTENER_SUBMISSION, SC_ROLE_USER, e) ||
	    bind_tcp(sv, p->smtps, FS_LISTENER_SMTPS, SC_ROLE_USER, e) ||
	    bind_tcp(sv, p->pop3, FS_LISTENER_POP3, SC_ROLE_USER, e) ||
	    bind_tcp(sv, p->pop3s, FS_LISTENER_POP3S, SC_ROLE_USER, e) ||
	    datadir_make_run(AT_FDCWD, e) ||
	    bind_unix(sv, SUPERVISOR_LOCAL_SOCKET, 0666, FS_LISTENER_SENDMAIL, SC_ROLE_USER, e) ||
	    bind_unix(sv, SUPERVISOR_ADMIN_SOCKET, 0600, SC_LISTENER_ADMIN, SC_ROLE_STORE, e))
		return -1;
	sv->bound = true;
	return 0;
}

/* Nobody shall wait in the queue of a socket that nobody will accept from. */
void supervisor_listen_close(struct supervisor *sv)
{
	for (size_t i = 0; i < sv->listener_count; i++)
		close(sv->listeners[i].fd);
	sv->listener_count = 0;
}

void supervisor_listen_give(struct supervisor *sv, struct spawn *s)
{
	for (size_t i = 0; i < sv->listener_count; i++) {
		const struct supervisor_listener *l = &sv->listeners[i];
		struct buf b;

		if (l->role != s->role)
			continue;
		buf_init(&b, 8);
		sc_listener_put(&b, l->kind);
		spawn_tell(s, SC_LISTENER, buf_view(&b), fcntl(l->fd, F_DUPFD_CLOEXEC, 0));
		buf_fini(&b);
	}
}
