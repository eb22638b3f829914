/* `mail list`: size and header of the newest messages, asked for in pairs, printed as they come. */
#include "cli/cli_mail.h"

#include "base/limits.h"
#include "cli/cli_pop3.h"
#include "cli/cli_records.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#define FROM_WIDTH    ((size_t)40)
#define SUBJECT_WIDTH ((size_t)80)
#define LIMIT_DEFAULT 100

struct mail_list {
	uint64_t limit;
	bool has_top; /* else only sizes can be shown */
	bool counted; /* STAT was answered */
	bool stat_asked, quit_asked;
	uint64_t count, next; /* next: the message to ask about */
	bool size_asked;      /* LIST of next is under way, TOP is not yet */
	uint64_t octets;      /* of the message whose TOP comes next */
	struct buf header;
	uint64_t top; /* octets of TOP so far */
	bool is_json;
	struct cli_records records;
	int code;
};

/* Asks LIST and TOP of one message; false when there is no room for more requests. */
static bool ask_next(struct mail_list *l, struct cli_pop3 *p)
{
	if (!l->size_asked && !cli_pop3_ask(p, POP3_REQ_LIST, l->next, 0))
		return false;
	l->size_asked = true;
	if (l->has_top && !cli_pop3_ask(p, POP3_REQ_TOP, l->next, 0))
		return false;
	l->size_asked = false;
	l->next++;
	return true;
}

static void more(void *ctx, struct cli_pop3 *p)
{
	struct mail_list *l = ctx;

	if (l->top > LIMIT_CLI_MESSAGE && l->code == EX_OK) {
		l->code = cli_fail(EX_UNAVAILABLE,
		    "the server goes on without end where the header of a message was asked for");
		cli_pop3_break_off(p);
		return;
	}
	if (!l->stat_asked) {
		l->has_top = cli_pop3_capa(p)->top || !cli_pop3_capa(p)->known;
		l->stat_asked = cli_pop3_ask(p, POP3_REQ_STAT, 0, 0);
	}
	while (l->counted && l->next <= l->count)
		if (!ask_next(l, p))
			return;
	if (l->counted && !l->quit_asked)
		l->quit_asked = cli_pop3_ask(p, POP3_REQ_QUIT, 0, 0);
}

static void entry(void *ctx, const struct pop3_entry *e)
{
	((struct mail_list *)ctx)->octets = e->octets;
}

static void content(void *ctx, struct str piece)
{
	struct mail_list *l = ctx;

	buf_str(&l->header, str_sub(piece, 0, buf_room(&l->header)));
	l->top += piece.n;
}

/* A text column, cut for people, whole for programs. */
static void put_text(
    struct mail_list *l, struct buf *record, const char *name, struct str text, size_t width)
{
	struct buf safe;

	buf_init(&safe, 3 * text.n + 1);
	cli_text_put(&safe, text);
	admin_record_text(record, name, l->is_json ? text : cli_text_fit(buf_view(&safe), width));
	buf_fini(&safe);
}

static void put_row(struct mail_list *l, uint64_t number)
{
	struct cli_show_head head;
	struct buf record;
	size_t begin;

	buf_init(&record, 4 * MIB);
	cli_show_head_init(&head, buf_view(&l->header));
	begin = admin_record_begin(&record);
	admin_record_number(&record, ADMIN_INT, "number", (int64_t)number);
	admin_record_number(
	    &record, l->is_json ? ADMIN_INT : ADMIN_BYTES, "size", (int64_t)l->octets);
	admin_record_number(&record, ADMIN_TIME, "date", head.date);
	put_text(l, &record, "from", buf_view(&head.from), FROM_WIDTH);
	put_text(l, &record, "subject", buf_view(&head.subject), SUBJECT_WIDTH);
	admin_record_end(&record, begin);
	cli_records_put(&l->records, str_from(buf_view(&record), begin));
	cli_show_head_fini(&head);
	buf_fini(&record);
	buf_clear(&l->header);
	l->top = 0;
}

static void result(void *ctx, const struct pop3_client_event *e)
{
	struct mail_list *l = ctx;

	if (!e->ok && e->request.type != POP3_REQ_TOP) {
		l->code = cli_pop3_refused(
		    cli_pop3_exit(e->code, EX_UNAVAILABLE), "the server refuses: ", e);
		l->counted = true;
		l->next = l->count + 1;
		return;
	}
	if (e->request.type == POP3_REQ_STAT) {
		l->counted = true;
		l->count = e->count;
		l->next = e->count > l->limit ? e->count - l->limit + 1 : 1;
	} else if (e->request.type == (l->has_top ? POP3_REQ_TOP : POP3_REQ_LIST)) {
		put_row(l, e->request.number);
	}
}

static const struct cli_pop3_handler handler = {more, entry, content, result};

static int list(struct mail_list *l, struct cli *cli)
{
	struct cli_server server;
	int code = cli_server_init(&server, cli, CLI_PORT_POP3S, true);

	if (code == EX_OK) {
		cli_records_init(
		    &l->records, CLI_RECORDS_LIST, l->is_json, cli_records_flush_stdout);
		buf_init(&l->header, LIMIT_MIME_HEADER);
		code = cli_pop3_run(&server, &handler, l);
		cli_records_end(&l->records, code == EX_OK && l->code == EX_OK);
		buf_fini(&l->header);
	}
	cli_server_fini(&server);
	if (code == EX_OK && l->code == EX_OK && l->count == 0 && !l->is_json)
		printf("The mailbox is empty.\n");
	return code == EX_OK ? l->code : code;
}

int cli_mail_list(struct cli *cli)
{
	struct mail_list l = {.is_json = cli_args_has(&cli->args, "json")};
	struct err e;

	if (cli_args_number(&cli->args, "limit", 1, UINT32_MAX, LIMIT_DEFAULT, &l.limit, &e) < 0)
		return cli_fail(EX_USAGE, "%s", e.text);
	return list(&l, cli);
}
