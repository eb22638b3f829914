/* Reads a transcript into segments, runs them, compares what was to happen with what did. */
#include "script.h"

#include <dirent.h>

#include "base/ascii.h"
#include "base/cur.h"
#include "base/mem.h"

#define FILE_MAX (1 * 1024 * 1024)
#define LOG_MAX  (64 * 1024 * 1024)
#define SEGMENTS 64
#define RESULTS  512
#define OPTIONS  32

/* What the engine says, in logs. */
#define SAID "said: "

struct segment {
	struct buf in;
	struct buf want; /* what is said and asked, in order */
	struct buf event;
};

struct option {
	struct str word, value;
};

static struct script {
	struct buf file;
	struct option options[OPTIONS];
	size_t option_count;
	struct segment segments[SEGMENTS];
	size_t segment_count;
	struct buf results[RESULTS]; /* for effect n */
	size_t effects;
	bool want_closed;
	char peer; /* the letter of what is fed */
} script;

static struct str option(const char *word)
{
	for (size_t i = 0; i < script.option_count; i++)
		if (str_eq(script.options[i].word, str_of_c(word)))
			return script.options[i].value;
	return STR("");
}

static void unescape(struct str s, struct buf *out);

/* \{N:text} */
static void repeat(struct cur *c, struct buf *out)
{
	uint64_t n = cur_number(c, 100000000);
	struct str rest = str_of(c->p, cur_left(c));
	size_t end = str_find(rest, '}');
	struct buf text;

	MUST(cur_byte(c, ':') && end < rest.n);
	buf_init(&text, FILE_MAX);
	unescape(str_sub(rest, 1, end - 1), &text);
	while (n-- > 0)
		buf_str(out, buf_view(&text));
	cur_take(c, end);
	buf_fini(&text);
}

static void escape_one(struct cur *c, struct buf *out)
{
	uint8_t what = cur_u8(c);

	switch (what) {
	case 'r':
		buf_byte(out, '\r');
		break;
	case 'n':
		buf_byte(out, '\n');
		break;
	case 't':
		buf_byte(out, '\t');
		break;
	case '0':
		buf_byte(out, 0);
		break;
	case 'x': {
		int hi = ascii_hex(cur_u8(c));
		int lo = ascii_hex(cur_u8(c));

		MUST(hi >= 0 && lo >= 0);
		buf_byte(out, (uint8_t)(hi * 16 + lo));
		break;
	}
	case '{':
		repeat(c, out);
		break;
	default:
		MUST(what == '\\');
		buf_byte(out, what);
	}
}

static void unescape(struct str s, struct buf *out)
{
	struct cur c = cur_of(s);

	while (cur_left(&c)) {
		if (cur_try(&c, '\\'))
			escape_one(&c, out);
		else
			buf_byte(out, cur_u8(&c));
	}
	MUST(!c.bad && !out->overflow);
}

static struct segment *segment_new(void)
{
	struct segment *g = &script.segments[script.segment_count++];

	MUST(script.segment_count <= SEGMENTS);
	buf_init(&g->in, LOG_MAX);
	buf_init(&g->want, LOG_MAX);
	buf_init(&g->event, FILE_MAX);
	return g;
}

/* A line of the log: what was sent or asked. */
static void put_log(struct buf *log, const char *kind, struct str text)
{
	buf_c(log, kind);
	buf_str(log, text);
	buf_byte(log, '\n');
}

static void read_want(struct segment *g, const char *kind, struct str text)
{
	struct buf plain;

	buf_init(&plain, LOG_MAX);
	unescape(text, &plain);
	put_log(&g->want, kind, buf_view(&plain));
	buf_fini(&plain);
}

static void read_option(struct str text)
{
	struct option *o = &script.options[script.option_count++];

	MUST(script.option_count <= OPTIONS);
	o->word = str_split(text, ' ', &o->value);
}

static struct segment *read_event(struct segment *g, struct str text)
{
	if (str_eq(text, STR("closed"))) {
		script.want_closed = true;
		return g;
	}
	g = segment_new();
	buf_str(&g->event, text);
	return g;
}

static struct segment *read_line(struct segment *g, struct str line)
{
	struct str text = str_from(line, 3);

	if (line.n == 0 || line.p[0] == '#')
		return g;
	if (str_eq(line, STR("--")))
		return segment_new();
	if (line.p[0] == script.peer) {
		unescape(text, &g->in);
		if (line.p[1] == ':')
			buf_lit(&g->in, "\r\n");
	} else if (line.p[0] == 'C' || line.p[0] == 'S') {
		read_want(g, SAID, text);
	} else if (line.p[0] == '>') {
		read_want(g, "> ", str_from(line, 2));
		MUST(++script.effects < RESULTS);
	} else if (line.p[0] == '<') {
		unescape(str_from(line, 2), &script.results[script.effects - 1]);
	} else if (line.p[0] == '@') {
		read_option(str_from(line, 2));
	} else if (line.p[0] == '!') {
		return read_event(g, str_from(line, 2));
	} else {
		fprintf(stderr, "not a line of a transcript: %.*s\n", STR_FMT(line));
		abort();
	}
	return g;
}

static void script_read(const char *path, char peer)
{
	FILE *f = fopen(path, "rb");
	struct segment *g;
	struct str rest;
	int c;

	MUST(f);
	script = (struct script){.peer = peer};
	buf_init(&script.file, FILE_MAX);
	for (size_t i = 0; i < RESULTS; i++)
		buf_init(&script.results[i], FILE_MAX);
	while ((c = getc(f)) != EOF)
		buf_byte(&script.file, (uint8_t)c);
	fclose(f);
	MUST(!script.file.overflow);
	g = segment_new();
	for (rest = buf_view(&script.file); rest.n;)
		g = read_line(g, str_split(rest, '\n', &rest));
}

static void script_forget(void)
{
	for (size_t i = 0; i < script.segment_count; i++) {
		buf_fini(&script.segments[i].in);
		buf_fini(&script.segments[i].want);
		buf_fini(&script.segments[i].event);
	}
	for (size_t i = 0; i < RESULTS; i++)
		buf_fini(&script.results[i]);
	buf_fini(&script.file);
}

/*
 * One way to run it: the client's octets of each segment come in pieces of `piece`, the first of
 * `first`.
 */
struct run {
	const struct script_engine *e;
	void *ctx;
	struct buf log;
	struct buf line; /* output without its end yet */
	size_t effects;
};

/* Moves the engine's output to the log, line by line. */
static void drain(struct run *r)
{
	struct str out = r->e->out(r->ctx);
	size_t n = out.n;
	size_t end;

	buf_str(&r->line, out);
	r->e->sent(r->ctx, n);
	while (end = str_find_str(buf_view(&r->line), STR("\r\n")), end < r->line.n) {
		put_log(&r->log, SAID, str_sub(buf_view(&r->line), 0, end));
		buf_drop(&r->line, end + 2);
	}
}

/* Effects and output until nothing more comes. */
static void run_effects(struct run *r)
{
	struct buf text;

	buf_init(&text, LOG_MAX);
	for (;;) {
		size_t n = r->effects;

		drain(r);
		buf_clear(&text);
		if (!r->e->effect(r->ctx, &text))
			break;
		put_log(&r->log, "> ", buf_view(&text));
		r->effects++;
		r->e->done(r->ctx, n < RESULTS ? buf_view(&script.results[n]) : STR(""));
	}
	while (r->e->out(r->ctx).n)
		drain(r);
	buf_fini(&text);
}

static void run_piece(struct run *r, struct str piece)
{
	while (piece.n) {
		size_t used = r->e->feed(r->ctx, piece);
		size_t before = r->log.n;

		piece = str_from(piece, used);
		run_effects(r);
		if (used == 0 && r->log.n == before) {
			put_log(&r->log, "stuck with ", piece);
			return;
		}
	}
}

static void run_segment(struct run *r, const struct segment *g, size_t first, size_t piece)
{
	struct str in = buf_view(&g->in);

	if (g->event.n) {
		struct str value;
		struct str word = str_split(buf_view(&g->event), ' ', &value);

		r->e->event(r->ctx, word, value);
		run_effects(r);
	}
	run_piece(r, str_sub(in, 0, first));
	for (in = str_from(in, first); in.n; in = str_from(in, piece))
		run_piece(r, str_sub(in, 0, piece));
}

static void complain(const char *path, const char *how, size_t at, struct str want, struct str got)
{
	fprintf(stderr, "%s, %s %zu: wanted\n%.*s--- got\n%.*s---\n", path, how, at, STR_FMT(want),
	    STR_FMT(got));
}

/* Runs all; segment `cut` has its first piece of `first` octets. Gives 1 if it went wrong. */
static int run_once(const char *path, const struct script_engine *e, const char *how, size_t cut,
    size_t first, size_t piece)
{
	struct run r = {.e = e, .ctx = e->open(option)};
	int failed = 0;

	buf_init(&r.log, LOG_MAX);
	buf_init(&r.line, LOG_MAX);
	run_effects(&r);
	for (size_t i = 0; i < script.segment_count && !failed; i++) {
		const struct segment *g = &script.segments[i];

		run_segment(&r, g, i == cut ? first : 0, piece);
		failed = !str_eq(buf_view(&g->want), buf_view(&r.log));
		if (failed)
			complain(path, how, first, buf_view(&g->want), buf_view(&r.log));
		buf_clear(&r.log);
	}
	if (!failed && e->is_closed(r.ctx) != script.want_closed) {
		fprintf(stderr, "%s, %s %zu: %s\n", path, how, first,
		    script.want_closed ? "not closed" : "closed");
		failed = 1;
	}
	if (!failed && r.line.n) {
		fprintf(stderr, "%s: output ends within a line\n", path);
		failed = 1;
	}
	e->close(r.ctx);
	buf_fini(&r.log);
	buf_fini(&r.line);
	return failed;
}

int script_run(const char *path, const struct script_engine *e)
{
	int failed;

	script_read(path, e->is_client ? 'S' : 'C');
	failed = run_once(path, e, "whole", SEGMENTS, 0, LOG_MAX);
	if (!failed)
		failed = run_once(path, e, "byte by byte", SEGMENTS, 0, 1);
	for (size_t i = 0; i < script.segment_count && !failed; i++) {
		size_t n = script.segments[i].in.n;

		for (size_t at = 1; at < n && !failed; at++)
			failed = run_once(path, e, "split at", i, at, LOG_MAX);
	}
	script_forget();
	return failed;
}

static int is_transcript(const struct dirent *d)
{
	return str_has_suffix_i(str_of_c(d->d_name), STR(".txt"));
}

int script_main(const char *directory, const struct script_engine *engine)
{
	struct dirent **names;
	int n = scandir(directory, &names, is_transcript, alphasort);
	int failed = 0;

	for (int i = 0; i < n; i++) {
		struct buf path;
		int bad;

		buf_init(&path, 4096);
		buf_printf(&path, "%s/%s", directory, names[i]->d_name);
		bad = script_run(buf_cstr(&path), engine);
		printf("%s %d - %s\n", bad ? "not ok" : "ok", i + 1, names[i]->d_name);
		failed += bad;
		buf_fini(&path);
		free(names[i]);
	}
	if (n > 0)
		free(names);
	printf("1..%d\n", n > 0 ? n : 0);
	return n <= 0 || failed;
}
