/*
 * One table of field names: whom the field is about, what reads it, where the result goes. Names
 * not in it are counted and forgotten.
 */
#include "mime/mime_collect.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "mime/mime_lex.h"
#include "mime/mime_thread.h"

enum scope {
	SCOPE_ROOT,    /* the header of the message itself */
	SCOPE_MESSAGE, /* that, and those of nested messages */
	SCOPE_PART,    /* every header */
};

struct rule {
	struct str name;
	enum scope scope;
	void (*take)(struct mime_collect *, struct mime_part *, unsigned arg, struct str text);
	unsigned arg;
};

void mime_collect_init(struct mime_collect *c, struct arena *arena, struct mime_message *msg)
{
	*c = (struct mime_collect){.arena = arena, .msg = msg};
	buf_init(&c->text, LIMIT_MIME_FIELD);
}

void mime_collect_fini(struct mime_collect *c)
{
	buf_fini(&c->text);
}

void mime_collect_begin(struct mime_collect *c, struct mime_part *part, bool is_message)
{
	c->has_encoding = false;
	if (is_message)
		part->envelope = arena_obj(c->arena, struct mime_envelope);
}

/* Is there memory left? If not, the message is incomplete. */
static bool may_keep(struct mime_collect *c)
{
	if (arena_used(c->arena) < LIMIT_MIME_SCAN)
		return true;
	c->msg->incomplete = true;
	return false;
}

/* A copy of text in *slot, if that is free; cut at LIMIT_MIME_TEXT. */
static void keep_text(struct mime_collect *c, struct str *slot, struct str text)
{
	if (slot->p || !may_keep(c))
		return;
	if (text.n > LIMIT_MIME_TEXT)
		c->msg->incomplete = true;
	*slot = arena_str(c->arena, str_sub(text, 0, LIMIT_MIME_TEXT));
}

/* All of To, Cc and Bcc count [RFC 5322 4.5.3]; of originators the first field. */
static void take_addresses(
    struct mime_collect *c, struct mime_part *part, unsigned arg, struct str text)
{
	struct mime_address_list *list = &part->envelope->address[arg];
	bool again = list->n || list->bad;

	if ((again && arg < MIME_TO) || !may_keep(c))
		return;
	mime_address_append(c->arena, text, LIMIT_MIME_ADDRESSES, list);
	c->msg->incomplete |= list->truncated;
}

static void take_text(struct mime_collect *c, struct mime_part *part, unsigned arg, struct str text)
{
	struct mime_envelope *e = part->envelope;

	if (arg == MIME_DATE && !e->text[MIME_DATE].p)
		e->has_date = mime_date_parse(text, &e->date) == MIME_DATE_OK;
	keep_text(c, &e->text[arg], text);
}

static void take_content_type(
    struct mime_collect *c, struct mime_part *part, unsigned arg, struct str text)
{
	if (!part->content.type.p && may_keep(c))
		mime_content_type_parse(c->arena, text, &part->content);
}

static void take_disposition(
    struct mime_collect *c, struct mime_part *part, unsigned arg, struct str text)
{
	if (!part->disposition.p && may_keep(c))
		mime_content_disposition_parse(
		    c->arena, text, &part->disposition, &part->disposition_params);
}

static void take_encoding(
    struct mime_collect *c, struct mime_part *part, unsigned arg, struct str text)
{
	if (!c->has_encoding)
		part->encoding = mime_encoding_parse(text);
	c->has_encoding = true;
}

/* The text members of a part, by number. */
enum {
	PART_ID,
	PART_DESCRIPTION,
	PART_MD5,
	PART_LANGUAGE,
	PART_LOCATION,
};

static void take_part_text(
    struct mime_collect *c, struct mime_part *part, unsigned arg, struct str text)
{
	struct str *const slots[] = {
	    [PART_ID] = &part->id,
	    [PART_DESCRIPTION] = &part->description,
	    [PART_MD5] = &part->md5,
	    [PART_LANGUAGE] = &part->language,
	    [PART_LOCATION] = &part->location,
	};

	keep_text(c, slots[arg], text);
}

static void take_delivered_to(
    struct mime_collect *c, struct mime_part *part, unsigned arg, struct str text)
{
	struct mime_facts *facts = &c->msg->facts;

	if (!facts->delivered_to)
		facts->delivered_to = arena_array(
		    c->arena, LIMIT_MIME_DELIVERED_TO, sizeof *facts->delivered_to);
	if (facts->n_delivered_to == LIMIT_MIME_DELIVERED_TO || text.n > LIMIT_ADDRESS * 2) {
		c->msg->incomplete = true;
		return;
	}
	facts->delivered_to[facts->n_delivered_to++] = arena_str(c->arena, text);
}

/* [CFWS] priority-value [CFWS], priority-value = (["-"] %x31-39) / "0" [RFC 6758 4; RFC 6710 7] */
static bool read_priority(struct str text, int8_t *priority_r)
{
	struct mime_lex lex;
	struct mime_lex_token word, end;
	bool minus;
	uint8_t digit;

	mime_lex_init(&lex, text, MIME_LEX_ADDRESS);
	word = mime_lex_next(&lex);
	end = mime_lex_next(&lex);
	minus = word.kind == MIME_LEX_WORD && word.text.n == 2 && word.text.p[0] == '-';
	if (word.kind != MIME_LEX_WORD || end.kind != MIME_LEX_END ||
	    word.text.n != (minus ? 2 : 1))
		return false;
	digit = word.text.p[word.text.n - 1];
	if (digit < (minus ? '1' : '0') || digit > '9')
		return false;
	*priority_r = (int8_t)(minus ? '0' - digit : digit - '0');
	return true;
}

/* Two of them say nothing [RFC 6758 3.1]. */
static void take_priority(
    struct mime_collect *c, struct mime_part *part, unsigned arg, struct str text)
{
	struct mime_facts *facts = &c->msg->facts;

	facts->has_priority = ++facts->priorities == 1 && read_priority(text, &facts->priority);
}

static const struct rule rules[] = {
    {STR_INIT("From"), SCOPE_MESSAGE, take_addresses, MIME_FROM},
    {STR_INIT("Sender"), SCOPE_MESSAGE, take_addresses, MIME_SENDER},
    {STR_INIT("Reply-To"), SCOPE_MESSAGE, take_addresses, MIME_REPLY_TO},
    {STR_INIT("To"), SCOPE_MESSAGE, take_addresses, MIME_TO},
    {STR_INIT("Cc"), SCOPE_MESSAGE, take_addresses, MIME_CC},
    {STR_INIT("Bcc"), SCOPE_MESSAGE, take_addresses, MIME_BCC},
    {STR_INIT("Subject"), SCOPE_MESSAGE, take_text, MIME_SUBJECT},
    {STR_INIT("Date"), SCOPE_MESSAGE, take_text, MIME_DATE},
    {STR_INIT("Message-ID"), SCOPE_MESSAGE, take_text, MIME_MESSAGE_ID},
    {STR_INIT("In-Reply-To"), SCOPE_MESSAGE, take_text, MIME_IN_REPLY_TO},
    {STR_INIT("References"), SCOPE_MESSAGE, take_text, MIME_REFERENCES},
    {STR_INIT("Content-Type"), SCOPE_PART, take_content_type, 0},
    {STR_INIT("Content-Transfer-Encoding"), SCOPE_PART, take_encoding, 0},
    {STR_INIT("Content-Disposition"), SCOPE_PART, take_disposition, 0},
    {STR_INIT("Content-ID"), SCOPE_PART, take_part_text, PART_ID},
    {STR_INIT("Content-Description"), SCOPE_PART, take_part_text, PART_DESCRIPTION},
    {STR_INIT("Content-MD5"), SCOPE_PART, take_part_text, PART_MD5},
    {STR_INIT("Content-Language"), SCOPE_PART, take_part_text, PART_LANGUAGE},
    {STR_INIT("Content-Location"), SCOPE_PART, take_part_text, PART_LOCATION},
    {STR_INIT("Delivered-To"), SCOPE_ROOT, take_delivered_to, 0},
    {STR_INIT("MT-Priority"), SCOPE_ROOT, take_priority, 0},
};

static const struct rule *find_rule(struct str name)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (str_eq_i(name, rules[i].name))
			return &rules[i];
	return NULL;
}

static bool applies(const struct rule *r, const struct mime_part *part, bool root)
{
	return r->scope == SCOPE_PART || (r->scope == SCOPE_MESSAGE && part->envelope) || root;
}

/* What is counted, whether the body can be read or not. */
static void count(struct mime_facts *facts, const struct mime_field *f)
{
	facts->fields++;
	facts->received += str_eq_i(f->name, STR("Received"));
	facts->from += str_eq_i(f->name, STR("From"));
	facts->has_date |= str_eq_i(f->name, STR("Date"));
	facts->has_message_id |= str_eq_i(f->name, STR("Message-ID"));
	facts->too_long |= f->too_long;
}

/* References and In-Reply-To, whole as they are: the text kept may be shorter. */
static void collect_thread(struct mime_collect *c, const struct rule *r, struct str text)
{
	struct mime_thread_key *key = &c->msg->thread;

	if (r->take != take_text)
		return;
	if (r->arg == MIME_REFERENCES)
		mime_thread_add_refs(key, text);
	if (r->arg == MIME_IN_REPLY_TO)
		mime_thread_add_refs(&c->replied_to, text);
	if (r->arg == MIME_MESSAGE_ID && !key->id)
		key->id = mime_thread_id(text);
}

void mime_collect_field(struct mime_collect *c, struct mime_part *part, const struct mime_field *f)
{
	bool root = part == &c->msg->parts[0];
	const struct rule *r = find_rule(f->name);

	if (root)
		count(&c->msg->facts, f);
	c->msg->incomplete |= r && f->too_long;
	if (!r || f->too_long || !applies(r, part, root))
		return;
	buf_clear(&c->text);
	mime_field_unfold(&c->text, f->body);
	c->steps += f->body.n + c->text.n;
	if (root)
		collect_thread(c, r, buf_view(&c->text));
	r->take(c, part, r->arg, buf_view(&c->text));
}

void mime_collect_end(struct mime_collect *c, struct mime_part *part, bool in_digest)
{
	if (!part->content.type.p) {
		part->content.type = in_digest ? STR("message") : STR("text");
		part->content.subtype = in_digest ? STR("rfc822") : STR("plain");
	}
	if (part != &c->msg->parts[0])
		return;
	mime_thread_merge_refs(&c->msg->thread, &c->replied_to);
	c->msg->thread.subject = mime_thread_subject(part->envelope->text[MIME_SUBJECT]);
}
