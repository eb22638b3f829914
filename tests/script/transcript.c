/*
 * A file is read into steps once, then played with different cuts. While playing, the octets that the
 * server has sent are compared with the S: lines above each effect and action, so that order counts.
 */
#include "transcript.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>

#include "base/arena.h"
#include "base/ascii.h"

#define MAX_STEPS   2000
#define MAX_OPTIONS 16
#define MAX_BYTES   ((size_t)1 << 22)

enum kind {
	CLIENT,
	SERVER,
	EFFECT,
	ACTION
};

struct step {
	enum kind kind;
	int line;
	struct str text;   /* octets, effect or action */
	struct str result; /* of an effect */
	size_t server_at;  /* octets of the server before this step */
};

struct transcript {
	const char *path;
	struct arena *arena;
	struct step steps[MAX_STEPS];
	size_t n;
	struct str options[MAX_OPTIONS];
	size_t options_n;
	struct buf server; /* all that the server has to send */
	size_t client_n;   /* octets of the client in all */
};

/* One way to play it. */
struct play {
	const struct transcript *t;
	const struct transcript_engine *engine;
	void *e;
	size_t cut;    /* a place where a read ends; SIZE_MAX: every octet is a read */
	size_t fed;    /* octets of the client that were taken */
	size_t effect; /* step looked at for the next effect */
	struct buf got;
};

static struct str unescape(struct arena *a, struct str s)
{
	static const char plain[] = "rntz0\\", octets[] = "\r\n\t\0\0\\";
	uint8_t *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		const char *at;

		if (s.p[i] != '\\') {
			p[n++] = s.p[i];
		} else if (i + 3 < s.n && s.p[i + 1] == 'x') {
			p[n++] = (uint8_t)(ascii_hex(s.p[i + 2]) << 4 | ascii_hex(s.p[i + 3]));
			i += 3;
		} else {
			at = i + 1 < s.n ? memchr(plain, s.p[i + 1], sizeof plain - 1) : NULL;
			if (!at)
				fail_msg("unknown escape in \"%.*s\"", STR_FMT(s));
			p[n++] = (uint8_t)octets[at - plain];
			i++;
		}
	}
	return str_of(p, n);
}

static struct str with_crlf(struct arena *a, struct str s)
{
	uint8_t *p = arena_alloc(a, s.n + 2);

	memcpy(p, s.p, s.n);
	memcpy(p + s.n, "\r\n", 2);
	return str_of(p, s.n + 2);
}

static void add_effect(struct transcript *t, struct step *step, struct str text)
{
	size_t at = str_find_str(text, STR(" => "));

	if (at == text.n)
		fail_msg("%s:%d: an effect needs \" => result\"", t->path, step->line);
	step->kind = EFFECT;
	step->text = unescape(t->arena, str_sub(text, 0, at));
	step->result = unescape(t->arena, str_from(text, at + 4));
}

static void add_line(struct transcript *t, struct str line, int number)
{
	struct step *step = &t->steps[t->n];
	struct str mark = str_sub(line, 0, 2);
	struct str text = str_from(line, line.n > 2 && line.p[2] == ' ' ? 3 : 2);

	assert_true(t->n < MAX_STEPS);
	*step = (struct step){.line = number, .server_at = t->server.n};
	if (line.n == 0 || line.p[0] == '#')
		return;
	if (str_eq(mark, STR("= "))) {
		assert_true(t->options_n < MAX_OPTIONS);
		t->options[t->options_n++] = unescape(t->arena, str_from(line, 2));
		return;
	}
	if (str_eq(mark, STR("S:"))) {
		step->kind = SERVER;
		buf_str(&t->server, with_crlf(t->arena, unescape(t->arena, text)));
	} else if (str_eq(mark, STR("C:")) || str_eq(mark, STR("C-"))) {
		step->kind = CLIENT;
		step->text = unescape(t->arena, text);
		if (mark.p[1] == ':')
			step->text = with_crlf(t->arena, step->text);
		t->client_n += step->text.n;
	} else if (str_eq(mark, STR("> "))) {
		add_effect(t, step, str_from(line, 2));
	} else if (str_eq(mark, STR("! "))) {
		step->kind = ACTION;
		step->text = unescape(t->arena, str_from(line, 2));
	} else {
		fail_msg("%s:%d: what is this line?", t->path, number);
	}
	t->n++;
}

static void read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "r");
	uint8_t piece[4096];
	size_t n;

	if (!f)
		fail_msg("cannot open %s", path);
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		buf_add(out, piece, n);
	fclose(f);
	assert_false(out->overflow);
}

static struct transcript *load(const char *path)
{
	struct transcript *t = calloc(1, sizeof *t);
	struct buf file;
	struct str rest, line;

	assert_non_null(t);
	t->path = path;
	t->arena = arena_new();
	buf_init(&t->server, MAX_BYTES);
	buf_init(&file, MAX_BYTES);
	read_file(path, &file);
	rest = arena_str(t->arena, buf_view(&file));
	buf_fini(&file);
	for (int number = 1; rest.n; number++) {
		line = str_split(rest, '\n', &rest);
		add_line(t, line, number);
	}
	return t;
}

static void unload(struct transcript *t)
{
	buf_fini(&t->server);
	arena_free(&t->arena);
	free(t);
}

static void explain(const struct play *p, int line)
{
	print_error("%s:%d, client octets cut at %zu\n", p->t->path, line, p->cut);
}

/* All output is taken, and is what stands above in the file. */
static void drain(struct play *p)
{
	for (;;) {
		struct str out = p->engine->out(p->e);
		size_t n = out.n > 5 && p->cut % 2 ? 5 : out.n; /* odd cuts: a slow reader too */

		if (n == 0)
			return;
		buf_add(&p->got, out.p, n);
		p->engine->sent(p->e, n);
	}
}

static void compare_output(const struct play *p, size_t want_n, int line)
{
	struct str want = str_sub(buf_view(&p->t->server), 0, want_n);
	struct str got = buf_view(&p->got);

	if (str_eq(want, got))
		return;
	explain(p, line);
	print_error("--- want\n%.*s\n--- got\n%.*s\n---\n", STR_FMT(want), STR_FMT(got));
	fail();
}

/* The step of the next effect that the file expects, the one behind the last when there is none. */
static const struct step *next_effect(struct play *p)
{
	while (p->effect < p->t->n && p->t->steps[p->effect].kind != EFFECT)
		p->effect++;
	return &p->t->steps[p->effect];
}

/* Output and effects until neither changes. */
static void settle(struct play *p)
{
	struct buf text;

	buf_init(&text, MAX_BYTES);
	for (drain(p); p->engine->effect(p->e, &text); drain(p)) {
		const struct step *want = next_effect(p);

		if (p->effect == p->t->n || !str_eq(want->text, buf_view(&text))) {
			explain(p, want->line);
			fail_msg("effect \"%.*s\"", STR_FMT(buf_view(&text)));
		}
		compare_output(p, want->server_at, want->line);
		p->effect++;
		p->engine->done(p->e, want->result);
		buf_clear(&text);
	}
	buf_fini(&text);
}

/* One read of the client's octets; what is not taken is fed again, and must then be. */
static void feed(struct play *p, struct str in, int line)
{
	while (in.n) {
		size_t used = p->engine->feed(p->e, in);

		p->fed += used;
		in = str_from(in, used);
		settle(p);
		if (used == 0 && in.n && p->engine->feed(p->e, in) == 0 &&
		    p->engine->out(p->e).n == 0) {
			explain(p, line);
			fail_msg("the engine takes no input");
		}
	}
}

/* The octets of one segment, cut as this play wants. */
static void feed_segment(struct play *p, struct str in, int line)
{
	if (p->cut == SIZE_MAX) {
		for (size_t i = 0; i < in.n; i++)
			feed(p, str_sub(in, i, 1), line);
	} else if (p->cut > p->fed && p->cut < p->fed + in.n) {
		size_t n = p->cut - p->fed;

		feed(p, str_sub(in, 0, n), line);
		feed(p, str_from(in, n), line);
	} else {
		feed(p, in, line);
	}
}

static void act(struct play *p, const struct step *step)
{
	bool closes = str_eq(step->text, STR("closed"));

	settle(p);
	compare_output(p, step->server_at, step->line);
	if (closes || str_eq(step->text, STR("open"))) {
		if (p->engine->wants_close(p->e) != closes) {
			explain(p, step->line);
			fail_msg("the engine is not %.*s", STR_FMT(step->text));
		}
	} else if (!str_eq(step->text, STR("pause"))) {
		p->engine->act(p->e, step->text);
	}
	settle(p);
}

static void play(const struct transcript *t, const struct transcript_engine *engine, size_t cut)
{
	struct play p = {.t = t, .engine = engine, .cut = cut};
	struct buf segment;
	int last = t->n ? t->steps[t->n - 1].line : 0;

	buf_init(&p.got, MAX_BYTES);
	buf_init(&segment, MAX_BYTES);
	p.e = engine->open(t->options, t->options_n);
	settle(&p);
	for (size_t i = 0; i < t->n; i++) {
		const struct step *step = &t->steps[i];

		if (step->kind == CLIENT)
			buf_str(&segment, step->text);
		if (step->kind != ACTION)
			continue;
		feed_segment(&p, buf_view(&segment), step->line);
		buf_clear(&segment);
		act(&p, step);
	}
	feed_segment(&p, buf_view(&segment), last);
	compare_output(&p, t->server.n, last);
	next_effect(&p);
	if (p.effect != t->n) {
		explain(&p, next_effect(&p)->line);
		fail_msg("this effect did not come");
	}
	engine->close(p.e);
	buf_fini(&segment);
	buf_fini(&p.got);
}

void transcript_run(const char *path, const struct transcript_engine *engine)
{
	struct transcript *t = load(path);

	for (size_t cut = 0; cut <= t->client_n; cut++)
		play(t, engine, cut);
	play(t, engine, SIZE_MAX);
	unload(t);
}

static int is_transcript(const struct dirent *d)
{
	return str_has_suffix_i(str_of_c(d->d_name), STR(".txt"));
}

void transcript_run_all(const char *folder, const struct transcript_engine *engine)
{
	struct dirent **names;
	int n = scandir(folder, &names, is_transcript, alphasort);

	if (n <= 0)
		fail_msg("no transcripts in %s", folder);
	for (int i = 0; i < n; i++) {
		struct buf path;

		buf_init(&path, 4096);
		buf_printf(&path, "%s/%s", folder, names[i]->d_name);
		transcript_run(buf_cstr(&path), engine);
		buf_fini(&path);
		free(names[i]);
	}
	free(names);
}
