/*
 * One pass indexes the records of the answer and authority sections (section, owner's offset, type,
 * data); CNAMEs are then followed through that index in memory. Names are compressed by pointers
 * [RFC 1035 4.1.4]: each pointer must lead strictly backwards, so that reading one name ends.
 *
 * Work is bounded: at most RECORDS_MAX records are indexed, a name has at most 255 octets on the wire.
 * A packet with anything malformed in the part that is read is BAD as a whole: nothing is guessed.
 */
#include "dns/dns_packet.h"

#include "base/ascii.h"
#include "base/cur.h"

#define RECORDS_MAX    ((size_t)1024)
#define POINTERS_MAX   128 /* in one name; it has no more labels */
#define TYPE_CNAME     5
#define TYPE_SOA       6
#define CLASS_IN       1
#define RCODE_OK       0
#define RCODE_NXDOMAIN 3
#define FLAG_RESPONSE  0x8000u
#define FLAG_TRUNCATED 0x0200u

/* A name as it is compared and shown. */
struct name {
	uint8_t p[LIMIT_DNS_NAME]; /* lower case, with "." between labels */
	size_t n;
	bool plain; /* of letters, digits, hyphens and underscores only */
};

struct record {
	struct str owner;
	uint16_t type;
	bool authority; /* in that section, not among the answers */
	uint32_t ttl;
	struct str data;
	size_t data_at; /* its offset in the packet */
};

struct reader {
	struct str packet;
	struct arena *arena;
	struct record *records;
	size_t room, count;
};

/* ---- names ---- */
static struct str name_view(const struct name *name)
{
	return str_of(name->p, name->n);
}

static bool is_plain(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* Appends one label; odd octets are kept and mark the name: it may look like another one then. */
static bool add_label(struct name *name, struct str label)
{
	size_t dot = name->n > 0;

	if (name->n + dot + label.n > LIMIT_DNS_NAME)
		return false;
	if (dot)
		name->p[name->n++] = '.';
	for (size_t i = 0; i < label.n; i++) {
		name->p[name->n++] = ascii_lower(label.p[i]);
		name->plain &= is_plain(label.p[i]);
	}
	return true;
}

/* Where reading a name stands. */
struct walk {
	struct cur at;
	struct cur after; /* behind the first pointer; p is NULL before there is one */
	size_t limit;     /* the next pointer must lead before this */
	unsigned pointers;
};

/* Follows a pointer whose first octet was read. */
static int name_jump(struct walk *w, struct str packet, uint8_t high)
{
	size_t target = (size_t)(high & 0x3f) << 8 | cur_u8(&w->at);

	if (w->at.bad || target >= w->limit || ++w->pointers > POINTERS_MAX)
		return -1;
	if (!w->after.p)
		w->after = w->at;
	w->limit = target;
	w->at = cur_of(str_from(packet, target));
	return 1;
}

/* One label or pointer: 1 go on, 0 the name has ended, -1 malformed. */
static int name_step(struct walk *w, struct str packet, struct name *name)
{
	uint8_t length = cur_u8(&w->at);
	struct str label;

	if (!w->at.bad && length >= 0xc0)
		return name_jump(w, packet, length);
	label = cur_take(&w->at, length);
	if (w->at.bad || length > 63 || (length && !add_label(name, label)))
		return -1;
	return length > 0;
}

/* Reads the name at c, which goes behind it. False: malformed. */
static bool read_name(struct cur *c, struct str packet, struct name *name)
{
	struct walk w = {.at = *c, .limit = (size_t)(c->p - packet.p)};
	int step;

	name->n = 0;
	name->plain = true;
	do
		step = name_step(&w, packet, name);
	while (step > 0);
	if (step < 0)
		return cur_fail(c);
	*c = w.after.p ? w.after : w.at;
	return true;
}

/* The name in a record's data, which it must fill to the end. Compression may lead outside. */
static bool read_data_name(
    const struct reader *r, const struct record *rec, size_t skip, struct name *name)
{
	size_t begin = rec->data_at + skip, end = rec->data_at + rec->data.n;
	struct cur c = cur_of(str_of(r->packet.p, end));

	if (begin > end)
		return false;
	c.p += begin;
	return read_name(&c, str_of(r->packet.p, end), name) && cur_done(&c);
}

/* ---- records ---- */
static uint32_t sane_ttl(uint32_t ttl)
{
	if (ttl > INT32_MAX) /* [RFC 2181 8] */
		return 0;
	return ttl < LIMIT_DNS_TTL ? ttl : LIMIT_DNS_TTL;
}

/* Indexes one record; those of other classes and with odd owners are passed over. */
static bool read_record(struct reader *r, struct cur *c, bool authority)
{
	struct record rec = {.authority = authority};
	struct name owner;
	uint16_t class;

	if (!read_name(c, r->packet, &owner))
		return false;
	rec.type = cur_u16(c);
	class = cur_u16(c);
	rec.ttl = sane_ttl(cur_u32(c));
	rec.data = cur_take(c, cur_u16(c));
	if (c->bad)
		return false;
	rec.data_at = (size_t)(c->p - r->packet.p) - rec.data.n;
	if (class == CLASS_IN && owner.plain && r->count < r->room) {
		rec.owner = arena_str(r->arena, name_view(&owner));
		r->records[r->count++] = rec;
	}
	return true;
}

static bool read_section(struct reader *r, struct cur *c, unsigned count, bool authority)
{
	for (unsigned i = 0; i < count; i++)
		if (!read_record(r, c, authority))
			return false;
	return true;
}

/* The question must be the one that was asked. [RFC 5452 4.2] */
static bool read_question(struct cur *c, struct str packet, struct str name, enum dns_type type)
{
	struct name asked;

	return read_name(c, packet, &asked) && asked.plain && str_eq_i(name_view(&asked), name) &&
	       cur_u16(c) == dns_type_code(type) && cur_u16(c) == CLASS_IN && !c->bad;
}

/* ---- following names ---- */
static const struct record *find(const struct reader *r, const struct name *owner, uint16_t type)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct record *rec = &r->records[i];

		if (!rec->authority && rec->type == type && str_eq(rec->owner, name_view(owner)))
			return rec;
	}
	return NULL;
}

static void lower_ttl(struct dns_result *result, uint32_t ttl)
{
	if (ttl < result->ttl)
		result->ttl = ttl;
}

/* Goes from *name to the end of its CNAMEs. False: they do not end, or not in a host's name. */
static bool follow(
    const struct reader *r, uint16_t type, struct name *name, struct dns_result *result)
{
	for (int i = 0; i < LIMIT_DNS_CNAMES; i++) {
		const struct record *cname = find(r, name, TYPE_CNAME);

		if (!cname || find(r, name, type))
			return true;
		if (!read_data_name(r, cname, 0, name) || !name->plain)
			return false;
		lower_ttl(result, cname->ttl);
	}
	return false;
}

/* ---- data of each type: true and *a_r, false: this one cannot be used ---- */
static bool put_host(
    const struct reader *r, const struct record *rec, size_t skip, struct dns_answer *a)
{
	struct name host;

	if (!read_data_name(r, rec, skip, &host) || !host.plain)
		return false;
	a->host = arena_str(r->arena, name_view(&host));
	return true;
}

static bool read_a(const struct reader *r, const struct record *rec, struct dns_answer *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (rec->data.n != 4)
		return false;
	memcpy(a->ip.b, mapped, sizeof mapped);
	memcpy(a->ip.b + sizeof mapped, rec->data.p, 4);
	return true;
}

static bool read_aaaa(const struct reader *r, const struct record *rec, struct dns_answer *a)
{
	if (rec->data.n != sizeof a->ip.b)
		return false;
	memcpy(a->ip.b, rec->data.p, sizeof a->ip.b);
	return true;
}

static bool read_mx(const struct reader *r, const struct record *rec, struct dns_answer *a)
{
	struct cur c = cur_of(rec->data);

	a->preference = cur_u16(&c);
	return !c.bad && put_host(r, rec, 2, a);
}

static bool read_txt(const struct reader *r, const struct record *rec, struct dns_answer *a)
{
	struct cur c = cur_of(rec->data);
	uint8_t *joined = arena_alloc(r->arena, rec->data.n);
	size_t n = 0;

	while (cur_left(&c)) {
		struct str s = cur_take(&c, cur_u8(&c));

		if (s.n)
			memcpy(joined + n, s.p, s.n);
		n += s.n;
	}
	a->bytes = str_of(joined, n);
	return cur_done(&c) && rec->data.n > 0;
}

static bool read_tlsa(const struct reader *r, const struct record *rec, struct dns_answer *a)
{
	struct cur c = cur_of(rec->data);

	a->usage = cur_u8(&c);
	a->selector = cur_u8(&c);
	a->matching = cur_u8(&c);
	a->bytes = arena_str(r->arena, cur_rest(&c));
	return !c.bad && a->bytes.n > 0;
}

static bool read_ptr(const struct reader *r, const struct record *rec, struct dns_answer *a)
{
	return put_host(r, rec, 0, a) && a->host.n > 0;
}

static bool (*const read_data[DNS_TYPES])(
    const struct reader *, const struct record *, struct dns_answer *) = {
    [DNS_A] = read_a,
    [DNS_AAAA] = read_aaaa,
    [DNS_MX] = read_mx,
    [DNS_TXT] = read_txt,
    [DNS_TLSA] = read_tlsa,
    [DNS_PTR] = read_ptr,
};

/*
 * Where one more answer goes; NULL: there is no place. Of more MX than are kept the best ones stay: the
 * others are never tried.
 */
static struct dns_answer *place_for(struct dns_answer *list, struct dns_result *result,
    enum dns_type type, const struct dns_answer *a)
{
	struct dns_answer *worst = list;

	if (result->count < LIMIT_DNS_ANSWERS)
		return &list[result->count++];
	result->dropped++;
	for (size_t i = 1; i < result->count; i++)
		if (list[i].preference > worst->preference)
			worst = &list[i];
	return type == DNS_MX && a->preference < worst->preference ? worst : NULL;
}

/* Takes the records of the type that belong to the name, and counts those left out. */
static void take_answers(
    const struct reader *r, const struct name *name, enum dns_type type, struct dns_result *result)
{
	struct dns_answer *list = arena_array(r->arena, LIMIT_DNS_ANSWERS, sizeof *list);

	for (size_t i = 0; i < r->count; i++) {
		const struct record *rec = &r->records[i];
		struct dns_answer a = {0}, *place = NULL;

		if (rec->authority || rec->type != dns_type_code(type) ||
		    !str_eq(rec->owner, name_view(name)))
			continue;
		lower_ttl(result, rec->ttl);
		if (rec->data.n <= LIMIT_DNS_ANSWER && read_data[type](r, rec, &a))
			place = place_for(list, result, type, &a);
		else
			result->dropped++;
		if (place)
			*place = a;
	}
	result->answers = list;
}

/* How long it holds that something is not there: the SOA's TTL or minimum. [RFC 2308 5] */
static uint32_t negative_ttl(const struct reader *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct record *rec = &r->records[i];
		struct cur c = cur_of(rec->data);
		uint32_t minimum;

		if (!rec->authority || rec->type != TYPE_SOA || rec->data.n < 4)
			continue;
		cur_take(&c, rec->data.n - 4);
		minimum = sane_ttl(cur_u32(&c));
		return minimum < rec->ttl ? minimum : rec->ttl;
	}
	return 0;
}

/* ---- the whole ---- */
static enum dns_status bad(struct dns_result *result, enum dns_status status, const char *why)
{
	result->why = str_of_c(why);
	result->ttl = 0;
	return status;
}

/* What the records say. */
static enum dns_status conclude(struct reader *r, unsigned rcode, struct str asked,
    enum dns_type type, struct dns_result *result)
{
	struct name name = {.n = 0, .plain = true};

	result->ttl = LIMIT_DNS_TTL;
	for (struct str rest = asked; rest.n;)
		if (!add_label(&name, str_split(rest, '.', &rest)))
			return bad(result, DNS_BAD, "the name asked for is none");
	if (!follow(r, dns_type_code(type), &name, result))
		return bad(result, DNS_BAD, "the aliases (CNAME) of the name lead nowhere");
	if (rcode == RCODE_OK)
		take_answers(r, &name, type, result);
	if (result->count == 0 && result->dropped)
		return bad(result, DNS_BAD, "no record in the answer can be used");
	result->canonical = arena_str(r->arena, name_view(&name));
	if (result->count)
		return DNS_OK;
	lower_ttl(result, negative_ttl(r));
	return rcode == RCODE_NXDOMAIN ? DNS_NXDOMAIN : DNS_NODATA;
}

static enum dns_status read_packet(
    struct reader *r, struct str name, enum dns_type type, struct dns_result *result)
{
	struct cur c = cur_of(r->packet);
	unsigned flags, rcode, questions, answers, authorities;

	cur_take(&c, 2); /* the id was checked by who asked */
	flags = cur_u16(&c);
	questions = cur_u16(&c);
	answers = cur_u16(&c);
	authorities = cur_u16(&c);
	cur_take(&c, 2); /* the additional section is not read */
	rcode = flags & 15;
	if (c.bad || r->packet.n > LIMIT_DNS_PACKET || !(flags & FLAG_RESPONSE) || questions != 1 ||
	    !read_question(&c, r->packet, name, type))
		return bad(result, DNS_BAD, "the packet is no answer to the question");
	if (rcode != RCODE_OK && rcode != RCODE_NXDOMAIN)
		return bad(result, DNS_SERVFAIL, "the DNS server reported a failure");
	if (flags & FLAG_TRUNCATED)
		return bad(result, DNS_SERVFAIL, "the answer was cut short");
	r->room = answers + authorities < RECORDS_MAX ? answers + authorities : RECORDS_MAX;
	r->records = arena_array(r->arena, r->room, sizeof *r->records);
	if (!read_section(r, &c, answers, false) || !read_section(r, &c, authorities, true))
		return bad(result, DNS_BAD, "the answer is malformed");
	return conclude(r, rcode, name, type, result);
}

void dns_packet_read(struct str packet, struct str name, enum dns_type type, struct arena *a,
    struct dns_result *result_r)
{
	struct reader r = {.packet = packet, .arena = a};
	struct dns_result result = {0};

	result.status = read_packet(&r, name, type, &result);
	*result_r = result;
}
