/*
 * Encoding: version, number of items, then per item the action and its fields; the recipient's number is
 * the item's place. One table says how each action is checked, written, read and told. The reader
 * accepts exactly what the writer gives: a decoded plan is encoded to the same bytes.
 */
#include "plan/plan.h"

#include "base/ascii.h"
#include "base/cur.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/wire.h"

#define VERSION 1u

/* Text of one line: what may stand in a reply, a log or a sentence. */
static bool is_line(struct str s, size_t max)
{
	return s.n >= 1 && s.n <= max && utf8_is_valid(s) && !str_has_cntrl(s);
}

static bool mailbox_is_valid(const struct plan_item *item)
{
	struct str name = item->u.mailbox.name;

	if (item->u.mailbox.role >= PLAN_ROLES || item->u.mailbox.flags & ~PLAN_FLAGS)
		return false;
	if (item->u.mailbox.role != PLAN_ROLE_NAMED)
		return name.n == 0;
	return is_line(name, PLAN_NAME_MAX);
}

static void mailbox_write(struct buf *out, const struct plan_item *item)
{
	wire_u8(out, (uint8_t)item->u.mailbox.role);
	wire_u8(out, item->u.mailbox.flags);
	wire_str(out, item->u.mailbox.name);
}

static void mailbox_read(struct cur *c, struct plan_item *item)
{
	item->u.mailbox.role = (enum plan_role)cur_enum(c, PLAN_ROLES);
	item->u.mailbox.flags = cur_enum(c, PLAN_FLAGS + 1);
	item->u.mailbox.name = cur_str(c, PLAN_NAME_MAX);
}

struct str plan_mailbox_name(const struct plan_item *item)
{
	static const struct str roles[PLAN_ROLES] = {
	    STR_INIT("INBOX"), STR_INIT("Junk"), STR_INIT("Archive"), STR_INIT("Trash"), {0}};

	MUST(item->action == PLAN_MAILBOX && item->u.mailbox.role < PLAN_ROLES);
	return item->u.mailbox.role == PLAN_ROLE_NAMED ? item->u.mailbox.name
						       : roles[item->u.mailbox.role];
}

static void mailbox_tell(struct buf *out, const struct plan_item *item)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} flags[] = {
	    {PLAN_FLAG_SEEN, "seen"}, {PLAN_FLAG_FLAGGED, "flagged"}, {PLAN_FLAG_JUNK, "junk"}};
	const char *sep = ", marked as ";

	buf_lit(out, "delivered to the mailbox ");
	buf_str(out, plan_mailbox_name(item));
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		if (!(item->u.mailbox.flags & flags[i].bit))
			continue;
		buf_c(out, sep);
		buf_c(out, flags[i].word);
		sep = " and ";
	}
}

static bool relay_is_valid(const struct plan_item *item)
{
	return true;
}

static void relay_write(struct buf *out, const struct plan_item *item)
{
}

static void relay_read(struct cur *c, struct plan_item *item)
{
}

static void relay_tell(struct buf *out, const struct plan_item *item)
{
	buf_lit(out, "queued and sent to the mail server of that domain");
}

static bool redirect_is_valid(const struct plan_item *item)
{
	struct str a = item->u.address;
	size_t at = str_rfind(a, '@');

	return is_line(a, LIMIT_ADDRESS) && at > 0 && at + 1 < a.n;
}

static void redirect_write(struct buf *out, const struct plan_item *item)
{
	wire_str(out, item->u.address);
}

static void redirect_read(struct cur *c, struct plan_item *item)
{
	item->u.address = cur_str(c, LIMIT_ADDRESS);
}

static void redirect_tell(struct buf *out, const struct plan_item *item)
{
	buf_lit(out, "redirected to ");
	buf_str(out, item->u.address);
}

static bool discard_is_valid(const struct plan_item *item)
{
	return is_line(item->u.reason, PLAN_TEXT_MAX);
}

static void discard_write(struct buf *out, const struct plan_item *item)
{
	wire_str(out, item->u.reason);
}

static void discard_read(struct cur *c, struct plan_item *item)
{
	item->u.reason = cur_str(c, PLAN_TEXT_MAX);
}

static void discard_tell(struct buf *out, const struct plan_item *item)
{
	buf_lit(out, "accepted and discarded: ");
	buf_str(out, item->u.reason);
}

static bool reject_is_valid(const struct plan_item *item)
{
	const struct plan_reject *r = &item->u.reject;

	return r->code >= 400 && r->code < 600 && r->class == r->code / 100 && r->subject < 1000 &&
	       r->detail < 1000 && is_line(r->text, PLAN_TEXT_MAX);
}

static void reject_write(struct buf *out, const struct plan_item *item)
{
	const struct plan_reject *r = &item->u.reject;

	wire_u16(out, r->code);
	wire_u8(out, r->class);
	wire_u16(out, r->subject);
	wire_u16(out, r->detail);
	wire_str(out, r->text);
}

static void reject_read(struct cur *c, struct plan_item *item)
{
	struct plan_reject *r = &item->u.reject;

	r->code = cur_u16(c);
	r->class = cur_u8(c);
	r->subject = cur_u16(c);
	r->detail = cur_u16(c);
	r->text = cur_str(c, PLAN_TEXT_MAX);
}

static void reject_tell(struct buf *out, const struct plan_item *item)
{
	const struct plan_reject *r = &item->u.reject;

	buf_c(out, r->class == 4 ? "refused for now with " : "refused with ");
	buf_u64(out, r->code);
	buf_byte(out, ' ');
	buf_u64(out, r->class);
	buf_byte(out, '.');
	buf_u64(out, r->subject);
	buf_byte(out, '.');
	buf_u64(out, r->detail);
	buf_lit(out, ": ");
	buf_str(out, r->text);
}

static const struct {
	const char *name;
	bool (*is_valid)(const struct plan_item *item);
	void (*write)(struct buf *out, const struct plan_item *item);
	void (*read)(struct cur *c, struct plan_item *item);
	void (*tell)(struct buf *out, const struct plan_item *item);
} actions[PLAN_ACTIONS] = {
    [PLAN_MAILBOX] = {"mailbox", mailbox_is_valid, mailbox_write, mailbox_read, mailbox_tell},
    [PLAN_RELAY] = {"relay", relay_is_valid, relay_write, relay_read, relay_tell},
    [PLAN_REDIRECT] = {"redirect", redirect_is_valid, redirect_write, redirect_read, redirect_tell},
    [PLAN_DISCARD] = {"discard", discard_is_valid, discard_write, discard_read, discard_tell},
    [PLAN_REJECT] = {"reject", reject_is_valid, reject_write, reject_read, reject_tell},
};

const char *plan_action_name(enum plan_action action)
{
	MUST(action < PLAN_ACTIONS);
	return actions[action].name;
}

bool plan_item_is_valid(const struct plan_item *item)
{
	return item->action < PLAN_ACTIONS && actions[item->action].is_valid(item);
}

struct plan plan_new(struct arena *a, size_t n)
{
	struct plan p = {.n = n};

	MUST(n <= LIMIT_SMTP_RCPT_MAX);
	p.items = arena_array(a, n, sizeof *p.items);
	for (size_t i = 0; i < n; i++)
		p.items[i].recipient = (uint32_t)i;
	return p;
}

void plan_encode(struct buf *out, const struct plan *p)
{
	MUST(p->n <= LIMIT_SMTP_RCPT_MAX);
	wire_u8(out, VERSION);
	wire_u32(out, (uint32_t)p->n);
	for (size_t i = 0; i < p->n; i++) {
		const struct plan_item *item = &p->items[i];

		MUST(item->recipient == i && plan_item_is_valid(item));
		wire_u8(out, (uint8_t)item->action);
		actions[item->action].write(out, item);
	}
}

enum plan_status plan_decode(
    struct str bytes, size_t recipients, struct arena *a, struct plan *plan_r)
{
	struct cur c = cur_of(bytes);
	struct plan p;

	if (cur_u8(&c) != VERSION || cur_u32(&c) != recipients || recipients > cur_left(&c))
		return PLAN_BAD;
	p = plan_new(a, recipients);
	for (size_t i = 0; i < p.n; i++) {
		struct plan_item *item = &p.items[i];

		item->action = (enum plan_action)cur_enum(&c, PLAN_ACTIONS);
		actions[item->action].read(&c, item);
		if (c.bad || !plan_item_is_valid(item))
			return PLAN_BAD;
	}
	if (!cur_done(&c))
		return PLAN_BAD;
	*plan_r = p;
	return PLAN_OK;
}

void plan_item_put(struct buf *out, const struct plan_item *item, struct str recipient)
{
	MUST(plan_item_is_valid(item));
	for (size_t i = 0; i < recipient.n; i++)
		buf_byte(out, ascii_is_cntrl(recipient.p[i]) ? '?' : recipient.p[i]);
	buf_lit(out, ": ");
	actions[item->action].tell(out, item);
	buf_lit(out, ".\n");
}
