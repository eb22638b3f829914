/*
 * Each element is read twice from its first octet: once to find the special that decides what it is
 * ("<" ":" "@" or its end), once to take it. A third time for "bob@x.org <bob@x.org>", where an
 * address stands in for the name. So every octet is looked at three times at most, whatever the
 * input.
 */
#include "mime/mime_address.h"

#include "base/ascii.h"
#include "base/mem.h"
#include "mime/mime_lex.h"

struct parser {
	struct arena *arena;
	struct mime_lex lex;
	struct mime_lex_token at;
	const uint8_t *at_start; /* where reading of the token (and the gap before it) began */
	struct mime_address_list list;
	size_t max;
	bool in_group;
};

static void advance(struct parser *p)
{
	p->at_start = p->lex.p;
	p->at = mime_lex_next(&p->lex);
}

/* Goes back to an octet of the body; the steps so far are kept. */
static void rewind_to(struct parser *p, const uint8_t *start)
{
	p->lex.p = start;
	p->lex.comment = (struct str){NULL, 0};
	advance(p);
}

static bool at_is(const struct parser *p, uint8_t c)
{
	return mime_lex_is(&p->at, c);
}

static bool at_word(const struct parser *p)
{
	return p->at.kind == MIME_LEX_WORD || p->at.kind == MIME_LEX_QUOTED;
}

static bool at_separator(const struct parser *p)
{
	return p->at.kind == MIME_LEX_END || at_is(p, ',') || at_is(p, ';');
}

static void put_token(struct buf *b, const struct mime_lex_token *t)
{
	uint8_t *out = buf_reserve(b, t->text.n);

	if (out && t->text.n)
		buf_advance(b, mime_lex_unquote(out, t->text));
}

static bool touches_dot(const struct buf *b, const struct mime_lex_token *next)
{
	return (b->n && b->p[b->n - 1] == '.') ||
	       (next->kind == MIME_LEX_WORD && next->text.p[0] == '.');
}

enum words {
	WORDS_PHRASE, /* joined with one blank where there was a gap */
	WORDS_DOTTED, /* gaps only beside dots, as in the obsolete local part "a . b" */
};

/* Appends the run of words at hand. False: a gap where none may be. */
static bool take_words(struct parser *p, enum words how, struct buf *b)
{
	for (bool first = true; at_word(p); first = false, advance(p)) {
		if (p->at.gap && !first && how == WORDS_DOTTED && !touches_dot(b, &p->at))
			return false;
		if (p->at.gap && !first && how == WORDS_PHRASE)
			buf_byte(b, ' ');
		put_token(b, &p->at);
	}
	return true;
}

/* domain = dot-atom / domain-literal, with the obsolete gaps around dots [RFC 5322 3.4.1, 4.4]. */
static bool take_domain(struct parser *p, struct buf *b)
{
	if (p->at.kind == MIME_LEX_LITERAL) {
		put_token(b, &p->at);
		advance(p);
		return true;
	}
	while (p->at.kind == MIME_LEX_WORD) {
		if (b->n && p->at.gap && !touches_dot(b, &p->at))
			return true;
		put_token(b, &p->at);
		advance(p);
	}
	return b->n > 0;
}

/* The texts of the element at hand, before they move to the arena. */
struct element {
	struct buf name, local, domain;
};

static bool take_spec(struct parser *p, struct element *e)
{
	if (!take_words(p, WORDS_DOTTED, &e->local) || e->local.n == 0)
		return false;
	if (!at_is(p, '@'))
		return true;
	advance(p);
	return take_domain(p, &e->domain);
}

/* obs-route = *("," / "@" domain) ":", ignored [RFC 5322 4.4]. */
static bool skip_route(struct parser *p)
{
	if (!at_is(p, '@') && !at_is(p, ','))
		return true;
	while (at_is(p, '@') || at_is(p, ',') || p->at.kind == MIME_LEX_WORD ||
	       p->at.kind == MIME_LEX_LITERAL)
		advance(p);
	if (!at_is(p, ':'))
		return false;
	advance(p);
	return true;
}

/* angle-addr, its "<" being at hand. A missing ">" is forgiven at the end. */
static bool take_angle(struct parser *p, struct element *e)
{
	advance(p);
	if (!skip_route(p) || !take_spec(p, e))
		return false;
	if (at_is(p, '>'))
		advance(p);
	else if (p->at.kind != MIME_LEX_END)
		return false;
	while (at_word(p))
		advance(p);
	return at_separator(p);
}

static struct str to_arena(struct parser *p, const struct buf *b)
{
	return arena_str(p->arena, buf_view(b));
}

/* Room for one more, in a list that doubles; a group keeps a place for its end. */
static bool has_room(struct parser *p, size_t more)
{
	if (p->list.n + more + p->in_group > p->max) {
		p->list.truncated = true;
		return false;
	}
	if (p->list.n + more > p->list.cap) {
		size_t cap = p->list.cap ? p->list.cap * 2 : 4;
		struct mime_address *v = arena_array(p->arena, cap, sizeof *v);

		if (p->list.n)
			memcpy(v, p->list.v, p->list.n * sizeof *v);
		p->list.v = v;
		p->list.cap = cap;
	}
	return true;
}

static void push(struct parser *p, enum mime_address_kind kind, const struct element *e)
{
	struct mime_address *a = &p->list.v[p->list.n++];

	a->kind = kind;
	a->name = to_arena(p, &e->name);
	a->local = to_arena(p, &e->local);
	a->domain = to_arena(p, &e->domain);
}

static void end_group(struct parser *p)
{
	static const struct element none;

	if (!p->in_group)
		return;
	p->in_group = false;
	if (has_room(p, 1))
		push(p, MIME_ADDRESS_GROUP_END, &none);
}

/* Reads on to the special that decides what the element is. */
static void find_decider(struct parser *p)
{
	while (at_word(p) || p->at.kind == MIME_LEX_LITERAL)
		advance(p);
}

/* All from start up to the "<" at hand is a name, whatever it is. */
static void take_any_name(struct parser *p, const uint8_t *start, struct element *e)
{
	const uint8_t *behind = p->lex.p;

	for (rewind_to(p, start); p->lex.p < behind; advance(p)) {
		if (e->name.n && p->at.gap)
			buf_byte(&e->name, ' ');
		put_token(&e->name, &p->at);
	}
}

/* "local@domain", which may turn out to be the name before an angle-addr. */
static bool take_plain(struct parser *p, const uint8_t *start, struct element *e)
{
	bool good = take_spec(p, e);

	if (!good || !at_is(p, '<'))
		return good && at_separator(p);
	buf_clear(&e->local);
	buf_clear(&e->domain);
	take_any_name(p, start, e);
	return take_angle(p, e);
}

static bool take_mailbox(struct parser *p, const uint8_t *start, struct element *e)
{
	struct str comment;
	bool angle = at_is(p, '<');

	rewind_to(p, start);
	if (angle)
		take_words(p, WORDS_PHRASE, &e->name);
	if (!(angle ? take_angle(p, e) : take_plain(p, start, e)))
		return false;
	comment = p->lex.comment;
	if (e->name.n == 0 && comment.n) {
		const struct mime_lex_token t = {.text = str_trim(comment)};

		put_token(&e->name, &t);
	}
	return true;
}

static void begin_group(struct parser *p, const uint8_t *start, struct element *e)
{
	rewind_to(p, start);
	take_words(p, WORDS_PHRASE, &e->name);
	advance(p);
	if (!has_room(p, 2))
		return;
	push(p, MIME_ADDRESS_GROUP_BEGIN, e);
	p->in_group = true;
}

static void skip_element(struct parser *p)
{
	while (!at_separator(p))
		advance(p);
}

/* One element; the separator behind it is left. */
static void take_element(struct parser *p, struct element *e)
{
	const uint8_t *start = p->at_start;
	bool words = at_word(p);

	find_decider(p);
	if (at_is(p, ':') && words && !p->in_group) {
		begin_group(p, start, e);
	} else if (take_mailbox(p, start, e)) {
		if (has_room(p, 1))
			push(p, MIME_ADDRESS_MAILBOX, e);
	} else {
		p->list.bad++;
		skip_element(p);
	}
}

static void parse_list(struct parser *p, struct element *e)
{
	advance(p);
	while (p->at.kind != MIME_LEX_END && !p->list.truncated) {
		if (at_is(p, ',')) {
			advance(p);
		} else if (at_is(p, ';')) {
			end_group(p);
			advance(p);
		} else {
			take_element(p, e);
			buf_clear(&e->name);
			buf_clear(&e->local);
			buf_clear(&e->domain);
		}
	}
	end_group(p);
}

static void parse(struct parser *p, struct str body)
{
	struct element e;

	buf_init(&e.name, body.n * 2 + 1);
	buf_init(&e.local, body.n + 1);
	buf_init(&e.domain, body.n + 1);
	mime_lex_init(&p->lex, body, MIME_LEX_ADDRESS);
	parse_list(p, &e);
	buf_fini(&e.name);
	buf_fini(&e.local);
	buf_fini(&e.domain);
}

enum mime_address_status mime_address_append(
    struct arena *a, struct str body, size_t max, struct mime_address_list *list)
{
	struct parser p = {.arena = a, .max = max, .list = *list};

	parse(&p, body);
	*list = p.list;
	if (list->truncated)
		return MIME_ADDRESS_TRUNCATED;
	return list->bad ? MIME_ADDRESS_SOME_BAD : MIME_ADDRESS_OK;
}

enum mime_address_status mime_address_parse(
    struct arena *a, struct str body, size_t max, struct mime_address_list *list_r)
{
	*list_r = (struct mime_address_list){.v = NULL};
	return mime_address_append(a, body, max, list_r);
}

size_t mime_address_steps(struct str body, size_t max)
{
	struct parser p = {.arena = arena_new(), .max = max};

	parse(&p, body);
	arena_free(&p.arena);
	return p.lex.steps;
}
