/* What our senders were told, read from their mailboxes as they would. */
#include <string.h>

#include "base/mem.h"
#include "check.h"
#include "here.h"
#include "store.h"
#include "store/mailbox.h"

#define REPORT_MAX (256 * KIB)

static struct str line_behind(struct str text, const char *words)
{
	size_t at = str_find_str(text, str_of_c(words));

	text = str_from(text, at + (at < text.n ? strlen(words) : 0));
	return str_trim(str_sub(text, 0, str_find(text, '\r')));
}

/* What is said here of a mailbox that was removed, or is full. */
static bool is_of_mailbox(const struct sim_rcpt *r, struct str words)
{
	return r->unsure ||
	       str_eq(words, r->destiny == SIM_FULL
				 ? STR("452 4.2.2 this mailbox is full, try again later")
				 : STR("550 5.1.1 there is no such user here"));
}

/* What is quoted about a recipient was said to him, or to anybody. */
static void check_words(struct str block, const struct sim_rcpt *r)
{
	static const struct str field = STR_INIT("\r\nDiagnostic-Code: smtp; "),
				fold = STR_INIT("\r\n ");
	size_t at;
	struct buf words;

	block = str_sub(block, 0, str_find_str(block, STR("\r\n\r\n")));
	at = str_find_str(block, field);
	if (at == block.n || r->dest->example == SIM_X_LIES)
		return;
	block = str_from(block, at + field.n);
	buf_init(&words, 4 * KIB);
	while (
	    (at = str_find(block, '\r')) < block.n && str_has_prefix(str_from(block, at), fold)) {
		buf_str(&words, str_sub(block, 0, at));
		buf_byte(&words, ' ');
		block = str_from(block, at + fold.n);
	}
	buf_str(&words, str_sub(block, 0, at));
	SIM_MUST(sim_rcpt_heard(r, buf_view(&words)) ||
		     (sim_is_here(r->dest) && is_of_mailbox(r, buf_view(&words))),
	    "a report about %s quotes what was said to others: %.*s", r->address,
	    STR_FMT(buf_view(&words)));
	buf_fini(&words);
}

/* The mailbox of the sender that is shut for a while. */
static bool is_full(int64_t wall)
{
	const struct sim_shut *shut = sim_shut();

	return shut->since && wall > shut->full_wall + SECOND_MS &&
	       wall < shut->room_wall - SECOND_MS;
}

/* One recipient of a report. */
static void count(struct str block, int sender, int64_t when)
{
	struct str address = line_behind(block, "Final-Recipient: rfc822;");
	struct str action = line_behind(block, "Action: ");
	struct sim_rcpt *r = sim_rcpt_find(address);

	SIM_MUST(r, "a report is about %.*s, who was never written to", STR_FMT(address));
	check_words(block, r);
	if (r->of &&
	    sender == 0) { /* the postmaster: an administrator has returned what had no sender */
		SIM_MUST(r->touched, "the postmaster was told of %s, who is well", r->address);
		return;
	}
	if (sim_sender_refuses(r) && sender == 0) {
		SIM_MUST(str_eq(action, STR("failed")), "the postmaster was told that %s is %.*s",
		    r->address, STR_FMT(action));
		r->told_postmaster++;
		return;
	}
	SIM_MUST(sender != SIM_SHUT || !is_full(when),
	    "a report about %s is in a mailbox that is full", r->address);
	SIM_MUST(r->sender == sender, "a report about %s was sent to somebody else", r->address);
	if (str_eq(action, STR("failed"))) {
		r->told_failed++;
		r->told_failed_at = when;
	} else if (str_eq(action, STR("delayed"))) {
		r->told_delayed++;
	} else if (str_eq(action, STR("relayed"))) {
		r->told_relayed++;
	} else if (str_eq(action, STR("delivered"))) {
		r->told_delivered++;
	} else if (str_eq(action, STR("expanded"))) {
		r->told_expanded++;
	} else {
		sim_fail("a report about %s has the action %.*s", r->address, STR_FMT(action));
	}
}

static void read_report(struct str text, int sender, int64_t when)
{
	static const struct str field = STR_INIT("Final-Recipient: ");
	size_t at = str_find_str(text, field);

	if (str_find_str(text, STR("Subject: " SIM_FILLER)) < text.n)
		return;
	SIM_MUST(at < text.n, "%d has mail that is no report", sender);
	while (at < text.n) {
		count(str_from(text, at), sender, when);
		text = str_from(text, at + field.n);
		at = str_find_str(text, field);
	}
}

static struct str read_message(
    struct arena *a, struct blob_store *blobs, const struct mailbox_message *m)
{
	struct mailbox_source *source = NULL;
	struct err e = {""};
	uint8_t *p = arena_alloc(a, REPORT_MAX);
	size_t n = 0, got = 0;

	SIM_MUST(mailbox_source_open(blobs, m, 0, &source, &e) == BLOB_OK, "%s", e.text);
	do {
		MUST(mailbox_source_read(source, p + n, REPORT_MAX - n, &got) == BLOB_OK);
		n += got;
	} while (got > 0);
	mailbox_source_close(&source);
	return str_of(p, n);
}

static void read_mailbox(int sender)
{
	struct store_process *sp = sim_store();
	struct mailbox_snapshot s;

	MUST(mailbox_snapshot_begin(sp->db, sender + 1, MAILBOX_INBOX, &s) == DB_ROW);
	while (!s.complete)
		MUST(mailbox_snapshot_scan(sp->db, &s, 1000) == DB_OK);
	for (int64_t i = 1; i <= mailbox_snapshot_count(&s); i++) {
		struct arena *a = arena_new();
		struct mailbox_message m;

		MUST(mailbox_message(sp->db, a, &s, i, &m) == DB_ROW);
		read_report(read_message(a, sp->store->blobs, &m), sender, id_time(m.email));
		arena_free(&a);
	}
	mailbox_snapshot_fini(&s);
}

void sim_read_mail(void)
{
	for (int i = 0; i <= SIM_SHUT; i++)
		if (i != SIM_SHUT || !sim_shut()->gone)
			read_mailbox(i);
}
