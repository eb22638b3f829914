#include "dsn_sample.h"

#include "base/clock.h"
#include "base/mem.h"

#define ARRIVAL INT64_C(1795464000000) /* Monday 23 November 2026, 20:00 UTC */

#define HEADER                                                                                     \
	"From: Alice <alice@a.test>\r\n"                                                           \
	"To: bob@b.test\r\n"                                                                       \
	"Subject: the plan\r\n"                                                                    \
	"Message-ID: <1@a.test>\r\n"

struct dsn_sample *dsn_sample_new(void)
{
	struct dsn_sample *s = mem_new(struct dsn_sample);

	s->recipients[0] = (struct queue_dsn_recipient){.address = STR("bob@b.test"),
	    .original = STR("rfc822;bob+plan@b.test"),
	    .action = QUEUE_DSN_FAILED,
	    .status = {5, 1, 1},
	    .remote_mta = STR("mx.b.test"),
	    .reply = STR("550 5.1.1 No such user here"),
	    .last_attempt = ARRIVAL + 2 * SECOND_MS};
	s->dsn = (struct queue_dsn){.zone = {0, STR("UTC")},
	    .sender = STR("alice@a.test"),
	    .reporting_mta = STR("mail.a.test"),
	    .message_id = STR("report1@mail.a.test"),
	    .date = ARRIVAL + 3 * SECOND_MS,
	    .arrival = ARRIVAL,
	    .envid = STR("QQ314159"),
	    .original_id = STR("1@a.test"),
	    .recipients = s->recipients,
	    .n = 1,
	    .original = STR(HEADER "\r\nthe text\r\n"),
	    .complete = true};
	buf_init(&s->text, 8 * MIB);
	return s;
}

void dsn_sample_free(struct dsn_sample **s)
{
	buf_fini(&(*s)->text);
	mem_free(*s);
	*s = NULL;
}

static void failed(struct dsn_sample *s)
{
}

static void full(struct dsn_sample *s)
{
	s->dsn.want_full = true;
}

static void incomplete(struct dsn_sample *s)
{
	s->dsn.want_full = true;
	s->dsn.complete = false;
}

static void bare(struct dsn_sample *s)
{
	s->dsn.envid = s->dsn.original_id = STR("");
	s->recipients[0] = (struct queue_dsn_recipient){
	    .address = STR("bob@b.test"), .problem = QUEUE_PROBLEM_NXDOMAIN};
}

static void delayed(struct dsn_sample *s)
{
	s->dsn.want_full = true;
	s->recipients[0].action = QUEUE_DSN_DELAYED;
	s->recipients[0].problem = QUEUE_PROBLEM_REFUSED;
	s->recipients[0].status = (struct queue_status){4, 4, 1};
	s->recipients[0].reply = STR("connection refused");
	s->recipients[0].end = ARRIVAL + 5 * DAY_MS;
	s->dsn.date = ARRIVAL + 4 * HOUR_MS;
}

static void expired(struct dsn_sample *s)
{
	delayed(s);
	s->recipients[0].action = QUEUE_DSN_FAILED;
	s->recipients[0].expired = true;
	s->recipients[0].last_attempt = ARRIVAL + 5 * DAY_MS - 9 * MINUTE_MS;
	s->dsn.date = ARRIVAL + 6 * DAY_MS; /* his mailbox was full */
}

/* Through the host of a route, which is down, not there, says no itself, and could not reach his server. */
static void routed(struct dsn_sample *s)
{
	static const struct str addresses[] = {
	    STR_INIT("a@b.test"), STR_INIT("b@b.test"), STR_INIT("c@b.test"), STR_INIT("d@b.test")};

	delayed(s);
	s->recipients[0].route = s->recipients[0].remote_mta = STR("smart.test");
	for (size_t i = 0; i < 4; i++) {
		s->recipients[i] = s->recipients[0];
		s->recipients[i].address = addresses[i];
	}
	s->recipients[1].problem = QUEUE_PROBLEM_NXDOMAIN;
	s->recipients[1].action = QUEUE_DSN_FAILED;
	s->recipients[2].problem = s->recipients[3].problem = QUEUE_PROBLEM_NONE;
	s->recipients[2].action = QUEUE_DSN_FAILED;
	s->recipients[2].status = (struct queue_status){5, 7, 0};
	s->recipients[2].reply = STR("550 5.7.0 no");
	s->recipients[3].reply = STR("451 4.4.1 no route to host");
	s->dsn.n = 4;
}

static void mixed(struct dsn_sample *s)
{
	static const struct str addresses[] = {STR_INIT("a@b.test"), STR_INIT("b@b.test"),
	    STR_INIT("c@b.test"), STR_INIT("d@b.test"), STR_INIT("e@b.test")};
	static const struct str untyped[] = {STR_INIT(";x@b.test"), STR_INIT("rfc822;"),
	    STR_INIT("rfc822"), STR_INIT("r 8;x@b.test")};
	struct queue_dsn_recipient typed = s->recipients[0];

	for (size_t i = 0; i < QUEUE_DSN_ACTIONS; i++) {
		s->recipients[i] = typed;
		s->recipients[i].address = addresses[i];
		if (i < 4)
			s->recipients[i].original = untyped[i];
		s->recipients[i].action = (enum queue_dsn_action)(QUEUE_DSN_ACTIONS - 1 - i);
		s->recipients[i].status = (struct queue_status){0};
	}
	s->recipients[1].remote_mta = STR("192.0.2.7");
	s->recipients[2].remote_mta = STR("2001:db8::7");
	s->recipients[3].remote_mta = STR("");
	s->recipients[4].expired = true;
	s->recipients[4].last_attempt = 0;
	s->dsn.n = QUEUE_DSN_ACTIONS;
}

static void international(struct dsn_sample *s)
{
	s->recipients[0].address = STR("\xe7\x94\xa8\xe6\x88\xb7@b.test");
	s->recipients[0].original = STR("utf-8;\xe7\x94\xa8\xe6\x88\xb7@b.test");
	s->recipients[0].problem = QUEUE_PROBLEM_NO_SMTPUTF8;
	s->recipients[0].status = (struct queue_status){5, 6, 7};
	s->recipients[0].reply = STR("SMTPUTF8 not offered: \xe7\x94\xa8");
	s->dsn.original = STR("Subject: \xe7\x94\xa8\r\n\r\ntext\r\n");
}

/* As wide as a local part and labels may be: more than a line, if it were folded. */
static void international_long(struct dsn_sample *s)
{
	for (int i = 0; i < 21; i++)
		buf_lit(&s->text, "\xe7\x94\xa8");
	buf_byte(&s->text, '@');
	for (int i = 0; i < 16; i++)
		buf_lit(&s->text, "\xe4\xbe\x8b");
	buf_lit(&s->text, ".test");
	s->recipients[0].address = buf_view(&s->text);
}

static void international_sender(struct dsn_sample *s)
{
	s->dsn.sender = STR("\xc3\xa4lice@a.test");
	s->dsn.original = STR("Subject: \xe7\x94\xa8\r\n\r\ntext\r\n");
	s->dsn.want_full = true;
}

static void quoted_sender(struct dsn_sample *s)
{
	s->dsn.sender = STR("\"a b,\\\"c\"@a.test");
}

static void eightbit(struct dsn_sample *s)
{
	s->dsn.original = STR(HEADER "\r\ncaf\xe9\r\n");
	s->dsn.want_full = true;
}

/* Every text a stranger chose tries to leave its place. */
static void hostile(struct dsn_sample *s)
{
	buf_lit(&s->text, "550 5.1.1 x\r\n\r\n--=_godwit_=\r\nSubject: evil\r\n\x1b[2J\x07\xff\xfe"
			  "\xe2\x80\xae\r\nAction: delivered\r\n.\r\n");
	while (s->text.n < 3 * MIB)
		buf_lit(&s->text, "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww");
	s->recipients[0].reply = s->recipients[0].remote_mta = buf_view(&s->text);
	s->recipients[0].address = s->recipients[0].original = buf_view(&s->text);
	s->dsn.envid = s->dsn.original_id = buf_view(&s->text);
}

static void many_words(struct dsn_sample *s)
{
	buf_lit(&s->text, "550 5.7.1");
	while (s->text.n < 800)
		buf_lit(&s->text, " words of the server");
	s->recipients[0].reply = buf_view(&s->text);
	s->recipients[0].status = (struct queue_status){5, 7, 1};
}

static void long_header(struct dsn_sample *s)
{
	buf_lit(&s->text, HEADER);
	while (s->text.n < 100 * KIB)
		buf_lit(&s->text, "X-Filler: 0123456789012345678901234567890123456789\r\n");
	buf_lit(&s->text, "\r\ntext\r\n");
	s->dsn.original = buf_view(&s->text);
	s->dsn.want_full = false;
}

static void no_original(struct dsn_sample *s)
{
	s->dsn.original = STR("");
}

static void thousand(struct dsn_sample *s)
{
	for (size_t i = 1; i < LIMIT_DSN_RECIPIENTS; i++)
		s->recipients[i] = s->recipients[0];
	s->dsn.n = LIMIT_DSN_RECIPIENTS;
}

const struct dsn_change dsn_changes[] = {
    {"failed", failed},
    {"full", full},
    {"incomplete", incomplete},
    {"bare", bare},
    {"delayed", delayed},
    {"expired", expired},
    {"mixed", mixed},
    {"routed", routed},
    {"international", international},
    {"international_long", international_long},
    {"international_sender", international_sender},
    {"quoted_sender", quoted_sender},
    {"eightbit", eightbit},
    {"hostile", hostile},
    {"many_words", many_words},
    {"long_header", long_header},
    {"no_original", no_original},
    {"thousand", thousand},
};
const size_t dsn_changes_count = sizeof dsn_changes / sizeof dsn_changes[0];
