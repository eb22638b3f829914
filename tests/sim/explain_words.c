/*
 * Sentences of `queue explain` that are true or not by themselves, whatever then happens: what the sender wished,
 * who will be told, since when. And that in every language the same is said.
 */
#include <string.h>

#include "base/mem.h"
#include "explain.h"
#include "here.h"
#include "store.h"
#include "store/queue_tell.h"

/* Said to the minute, or to the second; a commit has the time of its moment. */
static bool agrees(struct sim_moment m, int64_t wall)
{
	return m.at <= wall + SECOND_MS && wall < m.at + m.span + SECOND_MS;
}

/* He waits, and the whole of it is told. */
static bool is_waiting(const struct sim_claim *c)
{
	return c->next != SIM_N_UNDER_WAY && c->next != SIM_N_HELD && c->next != SIM_N_ENDING;
}

/* ---- what was wished ---- */

static void check_release(const struct sim_rcpt *r, struct str text)
{
	struct sim_moment m = sim_moment_behind(text, sim_is_here(r->dest)
							  ? "its sender wants it to be delivered "
							  : "its sender wants it to be sent ");

	SIM_MUST(!m.span || (r->hold && (sim_world.jumps || agrees(m, r->accepted_wall))),
	    "the sender of %s did not wish it to be sent then: %.*s", r->address, STR_FMT(text));
}

static bool wants_failure(const struct sim_rcpt *r)
{
	return r->notify == 0 || (r->notify & QUEUE_NOTIFY_FAILURE);
}

/* The time is said by the sentence before; a clock that jumps moves it. */
static void check_by(const struct sim_rcpt *r, const struct sim_claim *c, struct str text)
{
	static const char told[] = "Its sender wants to be told if it is not delivered by then.";
	const char *returned =
	    wants_failure(r) ? "Its sender wants it to be returned if it is not delivered by then."
			     : "Its sender wants it not to be sent later than that.";
	int64_t when = r->accepted_wall - r->hold + r->by_in;
	struct sim_moment end = {c->ends_at, c->ends_span}, warning = {c->warns_at, c->warns_span};

	SIM_MUST(!sim_has(text, returned) || r->by_kind == QUEUE_BY_RETURN,
	    "the sender of %s wishes no such thing: %.*s", r->address, STR_FMT(text));
	SIM_MUST(!sim_has(text, told) || r->by_kind == QUEUE_BY_NOTIFY,
	    "the sender of %s wishes no such thing: %.*s", r->address, STR_FMT(text));
	if (sim_world.jumps || !is_waiting(c) || c->late || r->touched)
		return;
	SIM_MUST(!sim_has(text, returned) || agrees(end, when),
	    "the sender of %s wished another time: %.*s", r->address, STR_FMT(text));
	SIM_MUST(!sim_has(text, told) || agrees(warning, when),
	    "the sender of %s wished another time: %.*s", r->address, STR_FMT(text));
	SIM_MUST(r->by_kind != QUEUE_BY_RETURN || !agrees(end, when) || sim_has(text, returned),
	    "it is not said that the sender of %s wants it back: %.*s", r->address, STR_FMT(text));
}

/* ---- who will be told ---- */

enum told {
	TOLD_SENDER,
	TOLD_SILENT,
	TOLD_POSTMASTER,
	TOLD_NOBODY,
	TOLDS
};

static enum told told_of(const struct sim_rcpt *r)
{
	if (sim_sender_refuses(r) && wants_failure(r))
		return TOLD_POSTMASTER;
	if (r->of) /* a report to a stranger, ours or through the path that is ours */
		return TOLD_POSTMASTER;
	if (r->sender < 0 && !r->stranger)
		return TOLD_NOBODY;
	return wants_failure(r) ? TOLD_SENDER : TOLD_SILENT;
}

static void check_told(const struct sim_rcpt *r, const struct sim_claim *c, struct str text)
{
	static const char *const words[TOLDS] = {
	    [TOLD_SENDER] = "returned to ",
	    [TOLD_SILENT] = " asked not to be told",
	    [TOLD_POSTMASTER] = "the postmaster is told of it",
	    [TOLD_NOBODY] = " no sender who could be told",
	};
	enum told told = told_of(r);

	if (r->sender == SIM_SHUT && sim_shut()->unsure)
		return;
	SIM_MUST(!c->warns_span || !sim_sender_refuses(r), "nobody will be told of the delay: %.*s",
	    STR_FMT(text));
	for (int i = 0; i < TOLDS; i++)
		SIM_MUST(i == (int)told || !sim_has(text, words[i]),
		    "of %s somebody else is told: %.*s", r->address, STR_FMT(text));
	SIM_MUST(
	    (!c->ends_span && !sim_has(text, "it will be given up ")) || sim_has(text, words[told]),
	    "of %s it is not said who is told: %.*s", r->address, STR_FMT(text));
}

static void check_backup(const struct sim_rcpt *r, const struct sim_claim *c, struct str text)
{
	bool is = str_eq(str_of_c(r->dest->name), STR(SIM_RELAY_DOMAIN));

	SIM_MUST(sim_has(text, " is a relay domain: ") == (is && is_waiting(c)),
	    "%s is%s a relay domain: %.*s", r->dest->name, is ? "" : " not", STR_FMT(text));
}

/* ---- what came before ---- */

static void check_since(const struct sim_rcpt *r, struct str text)
{
	struct sim_moment held = sim_moment_behind(text, "was held back by an administrator ");
	struct sim_moment began = sim_moment_behind(text, "is being delivered: the attempt began ");

	if (sim_world.jumps)
		return;
	SIM_MUST(!held.span || agrees(held, r->held_wall), "%s was not held back then: %.*s",
	    r->address, STR_FMT(text));
	SIM_MUST(!began.span || agrees(began, clock_now() - (clock_mono() - r->leased)),
	    "the attempt for %s did not begin then: %.*s", r->address, STR_FMT(text));
}

/* "3 attempts" */
static int64_t attempts_in(struct str text)
{
	size_t at = str_find_str(text, STR(" attempt")), from = at;
	uint64_t n = 0;

	while (from > 0 && text.p[from - 1] >= '0' && text.p[from - 1] <= '9')
		from--;
	return at < text.n && str_to_u64(str_sub(text, from, at - from), INT64_MAX, &n) ? (int64_t)n
											: 0;
}

static void check_attempts(const struct sim_rcpt *r, struct str text, const struct sim_facts *f)
{
	bool own = sim_has(text, " has not accepted the message yet ") ||
		   sim_has(text, " the message could not be transferred to ");
	int64_t n = attempts_in(text);
	struct sim_moment last = sim_moment_behind(text, ", last ");

	if (n == 0 || sim_has(text, "its mail server ") || (!own && sim_has(text, SIM_BY_ROUTE)))
		return; /* those at the host */
	SIM_MUST(n == (own ? f->attempts : f->failures), "there were %lld attempts for %s: %.*s",
	    (long long)(own ? f->attempts : f->failures), r->address, STR_FMT(text));
	SIM_MUST(!own || sim_world.jumps || agrees(last, r->tried_wall),
	    "%s was not refused last then: %.*s", r->address, STR_FMT(text));
}

/* What he cannot have now, his own mailbox does not take; or the report, that of his sender. */
static void check_refusals(const struct sim_rcpt *r, struct str text, const struct sim_facts *f)
{
	const struct sim_shut *shut = sim_shut();

	if (sim_has(text, " does not take the message "))
		SIM_MUST(sim_is_here(r->dest) && (r->destiny == SIM_FULL || r->unsure) &&
			     sim_has(text, "(452 4.2.2 this mailbox is full, try again later)"),
		    "the mailbox of %s takes it: %.*s", r->address, STR_FMT(text));
	if (sim_has(text, " could not be delivered yet; it is tried again ") ||
	    sim_has(text, "It leaves the queue "))
		SIM_MUST(r->sender == SIM_SHUT && (shut->since || shut->unsure),
		    "the report of %s would be taken: %.*s", r->address, STR_FMT(text));
	if (sim_has(text, "no answer in the short time of an attempt while others wait"))
		SIM_MUST(f->most > CONNS_SHARE / 2, "nobody had to wait for %s: %.*s", r->address,
		    STR_FMT(text));
}

/* How many jobs must be out at least; others may be about to take what is free. */
static const struct {
	const char *words;
	int64_t out;
} full[] = {
    {" as many connections to others open ", CONNS_MAX - CONNS_KEPT},
    {" may still open are kept ", CONNS_MAX - 2 * CONNS_KEPT},
    {" that it never reached before ", CONNS_SHARE / 2},
};

static void check_turn(
    const struct sim_rcpt *r, const struct sim_claim *c, struct str text, const struct sim_facts *f)
{
	if (sim_has(text, " waits for its turn; ") && c->next == SIM_N_NOW)
		SIM_MUST(f->failures == 0 && f->active < f->sessions,
		    "%s cannot be tried at once: %.*s", r->dest->name, STR_FMT(text));
	for (size_t i = 0; i < sizeof full / sizeof *full; i++)
		SIM_MUST(!sim_has(text, full[i].words) || f->out >= full[i].out,
		    "%lld jobs are out, and explain says: %.*s", (long long)f->out, STR_FMT(text));
	SIM_MUST(!sim_has(text, "its resolver was not running") || sim_world.deaths > 0,
	    "the resolver has always been there: %.*s", STR_FMT(text));
}

void sim_check_words(
    const struct sim_rcpt *r, const struct sim_claim *c, struct str text, const struct sim_facts *f)
{
	check_release(r, text);
	check_by(r, c, text);
	check_told(r, c, text);
	check_backup(r, c, text);
	check_since(r, text);
	check_attempts(r, text, f);
	check_turn(r, c, text, f);
	check_refusals(r, text, f);
}

/* ---- other languages ---- */

#define LANGUAGES_EVERY 8 /* explanations */
#define NUMBERS_MAX     16

/* What is said by words of each language, or by none of them. */
static const char *const same[][QUEUE_LANGS] = {
    {" could not be reached (", "因为无法连接", "因為無法連線到"},
    {" could not be used (", "的连接无法使用", "的連線無法使用"},
    {" takes no mail at present ", "目前不接收邮件", "目前不接收郵件"},
    {" has not accepted the message yet ", "还没有接受它", "還沒有接受它"},
    {" the message could not be transferred ", "未能把它传送到", "未能把它傳送到"},
    {" as many connections as it may have ", "的连接数目前已达上限", "的連線數目前已達上限"},
    {"its mail server ", "它的邮件服务器", "它的郵件伺服器"},
    {SIM_BY_ROUTE, "用来发送 ", "用來傳送 "},
    {", which also serves ", "（也为", "（也為"},
    {" as many connections to others ", "对外的连接数目前已达总上限", "對外的連線數目前已達總上限"},
    {" that it never reached before ", "留给从未连接成功", "留給從未連線成功"},
    {" may still open are kept ", "还能开的连接留给", "還能開的連線留給"},
    {" may not open so many connections", "不能同时开那么多连接", "不能同時開那麼多連線"},
    {" not to be sent later than that", "此后不再发送", "此後不再傳送"},
    {" may open another connection", "一能再开连接就会发送", "一能再開連線就會傳送"},
    {" waits for its turn; ", "正在排队", "正在排隊"},
    {" waits for the time that is set for it", "正在等待为它设定的时间", "正在等待為它設定的時間"},
    {"its resolver was not running", "域名解析进程没有运行", "網域名稱解析行程沒有執行"},
    {" wants it to be sent ", " UTC 发送。", " UTC 傳送。"},
    {" wants it to be returned if ", "届时若未送达就退回", "屆時若未送達就退回"},
    {" wants to be told if ", "届时若未送达就告知", "屆時若未送達就告知"},
    {" it to be delivered ", " 投递；届时会放入邮箱", " 投遞；屆時會放入信箱"},
    {" goes into the mailbox as soon as ", "立即放入邮箱", "立即放入信箱"},
    {" does not take the message ", "邮箱目前不收这封邮件", "信箱目前不收這封郵件"},
    {" was delivered into the mailbox", "的邮件已放入邮箱", "的郵件已放入信箱"},
    {" was sent on to all addresses behind it", "已转发给它所代表的所有地址",
	"已轉寄給它所代表的所有地址"},
    {" with the reverse path that it came with", "返回路径保持原样", "返回路徑保持原樣"},
    {"It is sent on for ", "这封邮件由", "這封郵件由"},
    {" is a relay domain", "是中继域", "是中繼網域"},
    {" was held back by an administrator ", "由管理员暂停", "由管理員暫停"},
    {" is being delivered", "正在投递发往", "正在投遞發往"},
    {" could not be delivered in time", "未能按时送达", "未能按時送達"},
    {" cannot be delivered", "的邮件无法投递", "的郵件無法投遞"},
    {" was taken by the next server", "已由下一台服务器收下", "已由下一台伺服器收下"},
    {" is now being made", "现在正把有关报告发给", "現在正把有關報告寄給"},
    {" could not be delivered yet", "有关报告尚未能送达", "有關報告尚未能送達"},
    {"It leaves the queue ", "离开队列", "離開佇列"},
    {"The next attempt is due now", "现在就可以进行下一次尝试", "現在就可以進行下一次嘗試"},
    {"The next attempt to reach ", "下一次尝试连接", "下一次嘗試連線到"},
    {"It goes as soon as one of them is free", "一有空闲的连接就会发送", "一有空閒的連線就會傳送"},
    {"An attempt with another message ", "正在用另一封邮件尝试", "正在用另一封郵件嘗試"},
    {", or as soon as ", "就会立即尝试", "就會立即嘗試"},
    {" that server answers ", "该服务器", "該伺服器"},
    {" one of its mail servers answers ", "它的某台邮件服务器", "它的某台郵件伺服器"},
    {" answers for another domain", "为其他域应答", "為其他網域回應"},
    {"one follows at once if ", "会马上再试", "會馬上再試"},
    {" puts it off", "这次尝试会推迟", "這次嘗試會延後"},
    {"Its turn comes ", "届时会重新查询", "屆時會重新查詢"},
    {"It is tried ", "尝试发送它", "嘗試傳送它"},
    {" can be reached by then", "如果届时能够连接", "如果屆時能夠連線到"},
    {" is free by then", "如果届时有到", "如果屆時有到"},
    {"If it still waits ", "它仍在等待，会把延误告知", "它仍在等待，會把延誤告知"},
    {"If none succeeds", "如果都不成功", "如果都不成功"},
    {"No further attempt is planned", "不再安排新的尝试", "不再安排新的嘗試"},
    {"Its time ended while ", "它的期限在服务器停止运行时已过", "它的期限在伺服器停止運作時已過"},
    {" takes no mail.", " 不收邮件，", " 不收郵件，"},
    {"returned to ", "退回给", "退回給"},
    {" no sender who could be told", "没有可以告知的发件人", "沒有可以告知的寄件者"},
    {"the postmaster is told of it", "将此事告知邮件管理员", "將此事告知郵件管理員"},
    {" asked not to be told", "要求不必告知", "要求不必告知"},
};

#define SAME (sizeof same / sizeof *same)

int64_t sim_told[SIM_SENTENCES];
static unsigned count; /* explanations */

_Static_assert(SAME <= SIM_SENTENCES, "there are more sentences");

const char *sim_sentence(size_t i)
{
	return i < SAME ? same[i][QUEUE_LANG_EN] : NULL;
}

struct numbers {
	int64_t v[NUMBERS_MAX];
	size_t n;
};

static void add_number(struct numbers *n, int64_t value)
{
	size_t i = n->n++;

	MUST(i < NUMBERS_MAX);
	for (; i > 0 && n->v[i - 1] > value; i--)
		n->v[i] = n->v[i - 1];
	n->v[i] = value;
}

static bool is_digit(struct str s, size_t at)
{
	return at < s.n && s.p[at] >= '0' && s.p[at] <= '9';
}

/* The times of day, as "14:05" with what is behind it. */
static struct numbers times_in(struct str s)
{
	struct numbers found = {.n = 0};

	for (size_t i = 2; i < s.n; i++)
		if (s.p[i] == ':' && is_digit(s, i - 1) && is_digit(s, i - 2) &&
		    is_digit(s, i + 1) && is_digit(s, i + 2))
			add_number(&found,
			    (s.p[i - 2] * 1000 + s.p[i - 1] * 100 + s.p[i + 1] * 10 + s.p[i + 2]));
	return found;
}

/* The days of the month: behind a day of the week in English, before a sign in Chinese. */
static struct numbers days_in(struct str s, enum queue_lang lang)
{
	struct str sign = lang == QUEUE_LANG_EN ? STR("day ") : STR(" 日（");
	struct numbers found = {.n = 0};
	size_t at, end;

	while ((at = str_find_str(s, sign)) < s.n) {
		end = lang == QUEUE_LANG_EN ? at + sign.n
					    : at - (at > 1 && is_digit(s, at - 2) ? 2 : 1);
		if (is_digit(s, end))
			add_number(
			    &found, is_digit(s, end + 1) ? s.p[end] * 10 + s.p[end + 1] : s.p[end]);
		s = str_from(s, at + sign.n);
	}
	return found;
}

static bool are_same(struct numbers a, struct numbers b)
{
	return a.n == b.n && memcmp(a.v, b.v, a.n * sizeof a.v[0]) == 0;
}

static void check_language(struct str text, struct str other, enum queue_lang lang)
{
	for (size_t i = 0; i < SAME; i++) {
		bool has = sim_has(text, same[i][QUEUE_LANG_EN]);

		sim_told[i] += has;
		SIM_MUST(has == sim_has(other, same[i][lang]),
		    "one language says \"%s\" and the other does not: %.*s %.*s", same[i][lang],
		    STR_FMT(text), STR_FMT(other));
	}
	SIM_MUST(are_same(times_in(text), times_in(other)) &&
		     are_same(days_in(text, QUEUE_LANG_EN), days_in(other, lang)),
	    "two languages tell of other times: %.*s %.*s", STR_FMT(text), STR_FMT(other));
}

void sim_check_languages(struct queue_config *cfg, const struct queue_row *row,
    const struct queue_message *m, struct str text)
{
	struct buf other;

	if (++count % LANGUAGES_EVERY)
		return;
	cfg->lang = count % (2 * LANGUAGES_EVERY) ? QUEUE_LANG_ZH_HANS : QUEUE_LANG_ZH_HANT;
	buf_init(&other, 16 * KIB);
	queue_tell(&other, sim_store()->db, cfg, row, m, clock_now());
	check_language(text, buf_view(&other), cfg->lang);
	buf_fini(&other);
}
