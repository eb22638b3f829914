/*
 * Whether a connection is welcome. Store is asked once, as it comes; where TLS is first, before the handshake,
 * for what nobody counts could hold all descriptors. Who is refused there hears why behind his
 * handshake, since his program would not understand it in clear; but only LIMIT_FRONT_REFUSALS at a time, the
 * others are just closed.
 */
#include <fcntl.h>

#include "base/limits.h"
#include "proc/front.h"
#include "proc/log.h"

/* The peer is in a network that may relay: store shall ask the kernel itself. */
static bool claims_trust(const struct front_session *s)
{
	const struct config_nets *nets = &s->config->snapshot->trusted_networks;

	if (s->listener == FS_LISTENER_SENDMAIL)
		return true;
	for (size_t i = 0; i < nets->n; i++)
		if (ip_in(&s->ip, &nets->v[i]))
			return true;
	return false;
}

static void log_refusal(const struct front_session *s, struct str why)
{
	front_log(s, LOG_WARN, "connection-refused");
	log_str("why", why);
	log_close();
}

static void log_away(const struct front_session *s)
{
	log_refusal(s, STR("the store is away; it is started again"));
}

/* Before the handshake. NULL: store is away. */
static void keep(struct front_session *s, const struct fs_admit_reply *reply)
{
	struct front_admission *a = &s->admission;

	a->known = true;
	a->away = !reply;
	if (reply) {
		a->verdict = reply->verdict;
		a->handle = reply->handle;
		buf_init(&a->text, FS_TEXT_MAX);
		buf_str(&a->text, reply->text);
	}
	if (a->away || a->verdict != FS_OK) {
		if (s->front->refusals >= LIMIT_FRONT_REFUSALS) {
			front_drop(s);
			return;
		}
		a->refusing = true;
		s->front->refusals++;
	}
	front_open_tls(s);
}

static void admit_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	struct fs_admit_reply reply = {.verdict = FS_TEMPORARY};
	bool known = end == IPC_REPLIED && fs_admit_reply_get(payload, &reply);

	if (!known)
		log_away(s);
	else if (reply.verdict != FS_OK)
		log_refusal(s, reply.text);
	if (!s->started) {
		keep(s, known ? &reply : NULL);
		return;
	}
	s->protocol->admitted(s, known ? &reply : NULL);
	net_drive_pump(s->drive);
}

static bool ask(struct front_session *s)
{
	struct fs_admit m = {.session = s->number, .listener = s->listener, .peer = s->ip};
	struct buf payload;
	int fd = -1;

	if (claims_trust(s))
		fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	buf_init(&payload, 64);
	fs_admit_put(&payload, &m);
	s->call = (struct ipc_call){.on_end = admit_ended};
	s->admission.asked = front_ask(s, &s->call, FS_ADMIT, &payload, fd);
	return s->admission.asked;
}

void front_admit_first(struct front_session *s)
{
	if (ask(s))
		return;
	log_away(s);
	keep(s, NULL);
}

void front_admit(struct front_session *s)
{
	const struct front_admission *a = &s->admission;
	struct fs_admit_reply reply = {.verdict = a->verdict, .handle = a->handle};

	if (!a->known) {
		if (ask(s))
			return;
		log_away(s);
		s->protocol->admitted(s, NULL);
		return;
	}
	reply.text = buf_view(&a->text);
	s->protocol->admitted(s, a->away ? NULL : &reply);
}

void front_admission_told(struct front_session *s)
{
	if (s->admission.refusing)
		s->front->refusals--;
	s->admission.refusing = false;
}

void front_admission_void(struct front_session *s)
{
	s->admission.away = s->admission.known;
}

void front_admission_fini(struct front_session *s)
{
	front_admission_told(s);
	buf_fini(&s->admission.text);
}
