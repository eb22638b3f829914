/*
 * Thread keys. The hash key is a constant: the hashes are stored and compared over years. Somebody
 * who makes two ids collide joins his own messages to a thread, which a copied id does as well.
 */
#include "mime/mime_thread.h"

#include "base/ascii.h"
#include "base/hash.h"
#include "mime/mime_word.h"

static const struct hash_key thread_hash = {0x676f647769742074, 0x6872656164206b79};

/* Said before the colon of a reply or of a message sent on; lower case. */
static const struct str marks[] = {
    STR_INIT("re"), STR_INIT("fw"), STR_INIT("fwd"), STR_INIT("aw"), STR_INIT("wg"), STR_INIT("sv"),
    STR_INIT("vs"), STR_INIT("tr"),
    STR_INIT("\xe5\x9b\x9e\xe5\xa4\x8d"), /* reply, simplified Chinese; */
    STR_INIT("\xe7\xad\x94\xe5\xa4\x8d"), /* another word for it */
    STR_INIT("\xe5\x9b\x9e\xe8\xa6\x86"), /* the same, traditional */
    STR_INIT("\xe7\xad\x94\xe8\xa6\x86"),
    STR_INIT("\xe8\xbd\xac\xe5\x8f\x91"), /* forwarded, simplified */
    STR_INIT("\xe8\xbd\x89\xe5\xaf\x84"), /* the same, traditional */
};

/* ":" as ASCII has it and as wide as a Chinese character. */
static const struct str colons[] = {STR_INIT(":"), STR_INIT("\xef\xbc\x9a")};

/* Text in lower case without any blanks: neither folding nor case tells subjects apart. */
static void put_squeezed(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_wsp(s.p[i]))
			buf_byte(b, ascii_lower(s.p[i]));
}

/* Behind a "[blob]" at the head of s, or s itself. */
static struct str skip_blob(struct str s)
{
	size_t end = s.n && s.p[0] == '[' ? str_find(s, ']') : s.n;

	return end < s.n ? str_from(s, end + 1) : s;
}

/* Behind "Re:", "Re[2]:" ... at the head of s, or s itself. */
static struct str skip_mark(struct str s)
{
	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		struct str rest;

		if (!str_has_prefix(s, marks[i]))
			continue;
		rest = skip_blob(str_from(s, marks[i].n));
		for (size_t k = 0; k < sizeof colons / sizeof colons[0]; k++)
			if (str_has_prefix(rest, colons[k]))
				return str_from(rest, colons[k].n);
	}
	return s;
}

/* One step of what may be taken off: a mark, a blob that is not all, "(fwd)", "[fwd: ... ]". */
static struct str strip_once(struct str s)
{
	struct str rest = skip_mark(s);

	if (rest.n != s.n)
		return rest;
	if (str_has_suffix_i(s, STR("(fwd)")))
		return str_sub(s, 0, s.n - 5);
	if (str_has_prefix(s, STR("[fwd:")) && s.p[s.n - 1] == ']')
		return str_sub(s, 5, s.n - 6);
	rest = skip_blob(s);
	return rest.n ? rest : s;
}

void mime_thread_base_subject(struct buf *b, struct str raw)
{
	struct buf text, squeezed;
	struct str s, shorter;

	raw = str_sub(raw, 0, LIMIT_MIME_TEXT);
	buf_init(&text, raw.n * 3 + 1);
	buf_init(&squeezed, raw.n * 3 + 1);
	mime_word_decode(&text, raw);
	put_squeezed(&squeezed, buf_view(&text));
	s = buf_view(&squeezed);
	while ((shorter = strip_once(s)).n < s.n)
		s = shorter;
	buf_str(b, s);
	buf_fini(&text);
	buf_fini(&squeezed);
}

uint64_t mime_thread_subject(struct str raw)
{
	struct buf b;
	uint64_t hash;

	buf_init(&b, LIMIT_MIME_TEXT * 3);
	mime_thread_base_subject(&b, raw);
	hash = hash_bytes(&thread_hash, buf_view(&b));
	buf_fini(&b);
	return hash;
}

/*
 * The text between the next "<" and ">" of *rest, which moves behind it; empty: there is no more.
 */
static struct str next_id(struct str *rest)
{
	struct str s = str_from(*rest, str_find(*rest, '<') + 1);
	size_t end = str_find(s, '>');

	*rest = str_from(s, end + 1);
	return end < s.n ? str_sub(s, 0, end) : (struct str){NULL, 0};
}

/* Never 0, which stands for "none". */
static uint64_t hash_id(struct str id)
{
	uint64_t hash = hash_bytes(&thread_hash, id);

	return hash ? hash : 1;
}

uint64_t mime_thread_id(struct str text)
{
	struct str id = next_id(&text);

	return id.n ? hash_id(id) : 0;
}

static void add_ref(struct mime_thread_key *key, uint64_t hash)
{
	uint64_t *refs = key->refs;

	for (size_t i = 0; i < key->n_refs; i++)
		if (refs[i] == hash)
			return;
	if (key->n_refs == LIMIT_MIME_THREAD_REFS)
		memmove(refs + 1, refs + 2, (--key->n_refs - 1) * sizeof *refs);
	refs[key->n_refs++] = hash;
}

void mime_thread_merge_refs(struct mime_thread_key *key, const struct mime_thread_key *more)
{
	for (size_t i = 0; i < more->n_refs; i++)
		add_ref(key, more->refs[i]);
}

void mime_thread_add_refs(struct mime_thread_key *key, struct str text)
{
	while (text.n) {
		struct str id = next_id(&text);

		if (id.n)
			add_ref(key, hash_id(id));
	}
}
