/*
 * The text of a report, from rows: typed fields only; of the original no more than its bytes are
 * copied. In a reader's thread, because it reads the message's content.
 */
#include "base/id.h"
#include "base/mem.h"
#include "mime/mime_address.h"
#include "mime/mime_idn.h"
#include "mime/mime_local.h"
#include "queue/queue_dsn.h"
#include "queue/queue_lang.h"
#include "store/queue_due.h"
#include "store/queue_report.h"

#define RET_HDRS 2 /* as in smtp/smtp_param.h */

/* ---- who is told ---- */

bool queue_report_is_for_postmaster(const struct queue_message *m, const struct queue_row *row)
{
	if (m->reverse_path.n || row->notify == QUEUE_NOTIFY_NEVER)
		return false;
	return queue_message_is_report(m) || row->forwarder.n > 0;
}

bool queue_report_tells(const struct queue_report *r, const struct queue_row *row)
{
	if (r->untold && (queue_row_only_tells(row) || row->report == QUEUE_REPORT_RELAYED))
		return false; /* nothing was lost */
	if (r->about.reverse_path.n == 0)
		return !r->is_warning && queue_report_is_for_postmaster(&r->about, row);
	if (r->is_warning || queue_row_only_tells(row) || row->report == QUEUE_REPORT_RELAYED)
		return true; /* they are not made for others */
	return row->notify == 0 || (row->notify & QUEUE_NOTIFY_FAILURE);
}

static struct queue_rows told(struct queue_report *r)
{
	struct queue_rows rows = {arena_array(r->arena, r->rows.n, sizeof *rows.v), 0};

	for (size_t i = 0; i < r->rows.n; i++) {
		if (queue_report_tells(r, &r->rows.v[i]))
			rows.v[rows.n++] = r->rows.v[i];
	}
	return rows;
}

bool queue_report_address(struct arena *a, struct str path, struct deliver_recipient *to_r)
{
	struct mime_address_list list;
	struct str name;
	struct buf domain;
	bool good = true;

	if (mime_address_parse(a, path, 1, &list) != MIME_ADDRESS_OK || list.n != 1 ||
	    list.v[0].kind != MIME_ADDRESS_MAILBOX)
		return false;
	name = list.v[0].domain;
	buf_init(&domain, LIMIT_SMTP_DOMAIN);
	if (name.n == 0 || name.p[0] != '[') {
		good = mime_idn_to_ascii(&domain, name) == MIME_IDN_OK;
		name = arena_str(a, buf_view(&domain));
	}
	buf_fini(&domain);
	*to_r = (struct deliver_recipient){
	    .address = path, .local = list.v[0].local, .domain = name};
	return good;
}

/* ---- the fields ---- */

static enum queue_dsn_action action_of(const struct queue_report *r, const struct queue_row *row)
{
	static const enum queue_dsn_action actions[QUEUE_REPORT_KINDS] = {
	    [QUEUE_REPORT_NONE] = QUEUE_DSN_FAILED,
	    [QUEUE_REPORT_FAILED] = QUEUE_DSN_FAILED,
	    [QUEUE_REPORT_EXPIRED] = QUEUE_DSN_FAILED,
	    [QUEUE_REPORT_RELAYED] = QUEUE_DSN_RELAYED,
	    [QUEUE_REPORT_HERE] = QUEUE_DSN_FAILED,
	    [QUEUE_REPORT_LATE] = QUEUE_DSN_FAILED,
	    [QUEUE_REPORT_DELIVERED] = QUEUE_DSN_DELIVERED,
	    [QUEUE_REPORT_EXPANDED] = QUEUE_DSN_EXPANDED,
	};

	if (r->is_warning)
		return QUEUE_DSN_DELAYED;
	return row->report < QUEUE_REPORT_KINDS ? actions[row->report] : QUEUE_DSN_FAILED;
}

/* It is told of the delay because of the time that its sender set. */
static bool is_warned_of_time(const struct queue_report *r, const struct queue_row *row)
{
	return r->is_warning && row->entry.by == QUEUE_BY_NOTIFY && row->entry.by_time <= r->now;
}

/*
 * The host that was named for his mail, as far as the last attempt was with it: what a server here or his own
 * answered is told of that one.
 */
static struct str route_of(const struct queue_report *r, const struct queue_row *row)
{
	struct str host;

	if (row->last.problem == QUEUE_PROBLEM_OFF)
		return STR("");
	host = queue_routing_host(&r->cfg.routing, queue_row_domain(r->arena, row),
	    mime_local_address_key(r->arena, r->about.reverse_path));
	if (row->last.remote.n)
		return queue_routing_is_host(row->last.remote, host) ? host : STR("");
	return row->report == QUEUE_REPORT_HERE || queue_result_is_reply(row->last.reply) ? STR("")
											  : host;
}

/* The alias that it was written to, if it was sent on for one: a mailbox here has a postmaster in that place. */
static struct str forwarder_of(const struct queue_row *row)
{
	bool here = row->report == QUEUE_REPORT_HERE || queue_row_only_tells(row) ||
		    row->last.problem == QUEUE_PROBLEM_OFF;

	return here ? STR("") : row->forwarder;
}

static struct queue_dsn_recipient recipient_of(
    const struct queue_report *r, const struct queue_row *row)
{
	return (struct queue_dsn_recipient){
	    .address = row->address,
	    .original = row->orcpt,
	    .action = action_of(r, row),
	    .status = row->last.status,
	    .problem = row->last.problem,
	    .under_way = row->token != 0,
	    .silent = row->notify != 0 && !(row->notify & QUEUE_NOTIFY_FAILURE),
	    .expired = row->report == QUEUE_REPORT_EXPIRED,
	    .late = row->report == QUEUE_REPORT_LATE || is_warned_of_time(r, row),
	    .forwarder = forwarder_of(row),
	    .route = route_of(r, row),
	    .remote_mta = row->last.remote,
	    .reply = row->last.reply,
	    .last_attempt = row->entry.last_attempt,
	    .since = row->entry.accepted,
	    .end = queue_row_end(&r->cfg, r->arena, row),
	};
}

static struct str id_text(struct arena *a, int64_t id, struct str host)
{
	struct buf b;
	struct str text;

	buf_init(&b, ID_TEXT_LEN + 1 + LIMIT_SMTP_DOMAIN);
	id_put(&b, id);
	buf_byte(&b, '@');
	buf_str(&b, host);
	text = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return text;
}

/* RET=FULL of larger messages is not granted, as RFC 3461 6.2 permits. */
static bool is_returned_whole(const struct queue_report *r)
{
	return r->about.ret != RET_HDRS && r->about.size <= r->cfg.return_size &&
	       r->about.size <= (int64_t)LIMIT_DSN_ORIGINAL;
}

/* The beginning of the message, at least its header. A damaged one is reported without it. */
static struct str read_original(struct queue_report *r)
{
	size_t most = LIMIT_DSN_HEADER + 2 * KIB;
	size_t want = is_returned_whole(r) || r->about.size < (int64_t)most ? (size_t)r->about.size
									    : most;
	uint8_t *p = arena_alloc(r->arena, want);
	struct blob_reader *reader = NULL;
	size_t n = 0, got = 1;

	if (blob_open(r->blobs, r->about.blob, r->about.pos, &reader, NULL) != BLOB_OK)
		return STR("");
	while (n < want && got > 0) {
		if (blob_read(r->blobs, reader, p + n, want - n, &got) != BLOB_OK) {
			n = 0;
			break;
		}
		n += got;
	}
	blob_close(r->blobs, &reader);
	return str_of(p, n);
}

/* For people: mail goes to <postmaster>, wherever that is. */
static struct str postmaster_of(struct queue_report *r)
{
	return directory_text(r->arena, STR("postmaster"), r->cfg.hostname);
}

/* For a field of the report: a domain that DNS knows in ASCII keeps it from no server. */
static struct str sender_written(struct queue_report *r)
{
	struct str path = r->about.reverse_path;
	size_t at = str_rfind(path, '@');
	struct str local = str_sub(path, 0, at);
	struct buf b;

	buf_init(&b, LIMIT_SMTP_DOMAIN);
	if (str_has_8bit(path) && !str_has_8bit(local) &&
	    mime_idn_to_ascii(&b, str_from(path, at + 1)) == MIME_IDN_OK)
		path = directory_text(r->arena, local, buf_view(&b));
	buf_fini(&b);
	return path;
}

static bool is_sent_on(const struct queue_report *r)
{
	return r->to_postmaster && !r->untold && !queue_message_is_report(&r->about);
}

static struct queue_dsn dsn_of(struct queue_report *r, const struct queue_rows *rows)
{
	struct queue_dsn_recipient *v = arena_array(r->arena, rows->n, sizeof *v);
	struct str original = read_original(r);
	enum queue_lang lang = r->cfg.lang;

	for (size_t i = 0; i < rows->n; i++)
		v[i] = recipient_of(r, &rows->v[i]);
	if (r->has_lang && !r->to_postmaster)
		lang = r->lang;
	else if (!r->to_postmaster)
		queue_lang_of_message(original, &lang);
	return (struct queue_dsn){
	    .lang = lang,
	    .zone = r->cfg.zone,
	    .sender = r->to_postmaster ? postmaster_of(r) : sender_written(r),
	    .postmaster = r->to_postmaster,
	    .untold = r->untold ? r->about.reverse_path : STR(""),
	    .sent_on = is_sent_on(r),
	    .reporting_mta = r->cfg.hostname,
	    .message_id = id_text(r->arena, r->report_id, r->cfg.hostname),
	    .date = r->now,
	    .arrival = r->about.accepted,
	    .deliver_by = rows->v[0].entry.by ? rows->v[0].entry.by_time : 0,
	    .released = rows->v[0].entry.hold_until,
	    .hold_for = r->about.hold_for,
	    .envid = r->about.envid,
	    .original_id = r->about.header_id,
	    .recipients = v,
	    .n = rows->n,
	    .original = original,
	    .complete = (int64_t)original.n == r->about.size,
	    /* of the postmaster's own are only our reports */
	    .want_full = is_returned_whole(r) && !r->untold && !is_sent_on(r),
	};
}

/* ---- the message ---- */

static bool sender_of(struct queue_report *r, struct deliver_recipient *to)
{
	if (!r->to_postmaster)
		return queue_report_address(r->arena, r->about.reverse_path, to);
	*to = (struct deliver_recipient){.local = STR("postmaster"), .address = STR("postmaster")};
	return true;
}

static struct deliver *deliver_of(
    struct queue_report *r, struct str data, const struct queue_dsn_facts *facts)
{
	static const struct str report = QUEUE_PROTOCOL_REPORT;
	struct deliver *d = deliver_new();

	d->directory = r->cfg.directory;
	d->routing = &r->cfg.routing;
	d->message_id = r->report_id;
	d->helo = arena_str(d->arena, r->cfg.hostname);
	d->peer = STR("local");
	d->protocol = r->to_postmaster ? STR("postmaster") : report; /* whose failure is the end */
	d->utf8 = facts->utf8;
	d->eightbit = facts->eightbit;
	d->may_relay = true;
	d->wish.has_priority = r->about.has_priority; /* [RFC 6710 4.6] */
	d->wish.priority = r->about.priority;
	d->data = arena_str(d->arena, data);
	d->recipients = arena_array(d->arena, 1, sizeof *d->recipients);
	d->n = 1;
	d->plan = plan_new(d->arena, 1);
	d->plan.items[0].action = PLAN_RELAY;
	if (sender_of(r, &d->recipients[0]) && deliver_prepare(d)) {
		d->header_message_id = id_text(d->arena, r->report_id, r->cfg.hostname);
		return d;
	}
	err_set(&r->why, "its reverse-path is no address that a report can be sent to");
	deliver_free(&d);
	return NULL;
}

/* For as many of the rows as one report holds; the others are left for the next. */
static void make(struct queue_report *r, struct queue_rows rows)
{
	struct queue_dsn dsn = dsn_of(r, &rows);
	struct queue_dsn_facts facts;
	enum queue_dsn_status status;
	struct buf b;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	status = queue_dsn_put(&b, &dsn, &facts);
	dsn.want_full = false;
	if (status == QUEUE_DSN_TOO_LARGE)
		status = queue_dsn_put(&b, &dsn, &facts);
	if (status == QUEUE_DSN_OK)
		r->deliver = deliver_of(r, buf_view(&b), &facts);
	else
		err_set(&r->why, "a report about it would be too large");
	r->unsendable = !r->deliver;
	buf_fini(&b);
}

void queue_report_compose(struct queue_report *r)
{
	struct queue_rows rows = told(r);

	r->unsendable = false;
	r->to_postmaster = r->untold || (r->about.reverse_path.n == 0 && rows.n > 0);
	err_set(&r->why,
	    r->about.reverse_path.n ? "its sender asked for no report" : "it has no sender");
	if (rows.n > 0 && r->about.reverse_path.n == 0 && r->enough)
		err_set(&r->why,
		    "it has no sender, and the postmaster is told of %d such within a day, and no more",
		    LIMIT_DSN_POSTMASTER);
	else if (rows.n > 0)
		make(r, rows);
}
