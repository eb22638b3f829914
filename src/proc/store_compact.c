/*
 * Rounds of store/compact.h on the loop: read, write, then a pause that makes the pace. When every pack
 * was looked at there is nothing to do for a while.
 */
#include "proc/store_compact.h"

#include "base/clock.h"
#include "base/mem.h"
#include "proc/log.h"
#include "store/compact.h"

#define PASS_MS  (10 * MINUTE_MS) /* between the end of a pass and the next */
#define FIRST_MS (10 * SECOND_MS)
#define SOON_MS  SECOND_MS /* after something was purged */
#define PACK_MS  20        /* between two packs that are only looked at */

struct store_compact {
	struct store_process *sp;
	struct compact work;
	uv_timer_t timer;
	bool busy, stopped;
	bool kicked;        /* in the middle of a pass: what it has looked at is looked at again */
	int64_t dead;       /* see store_compact_dead() */
	int64_t removed;    /* that the log knows of */
	struct err trouble; /* that was said */
	bool troubled;      /* in this pass */
};

static void on_timer(uv_timer_t *timer);

static void wait_for(struct store_compact *c, int64_t ms)
{
	c->busy = false;
	if (!c->stopped)
		uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
}

/* So long that no more than compact_rate is copied, or read to examine a pack, in a second. */
static int64_t pause_after(const struct store_compact *c, int64_t bytes)
{
	int64_t rate = c->sp->config->compact_rate;

	return rate > 0 ? bytes * SECOND_MS / rate + 1 : PASS_MS;
}

static void tell(struct store_compact *c)
{
	if (c->work.removed == c->removed)
		return;
	log_open(LOG_INFO, "compacted");
	log_num("packs", c->work.removed - c->removed);
	log_num("moved", c->work.moved);
	log_close();
	c->removed = c->work.removed;
	c->work.moved = 0;
}

static void tell_of_stay(const struct store_compact *c)
{
	if (c->work.stays == 0)
		return;
	log_open(LOG_ERROR, "pack-stays");
	log_num("pack", c->work.stays);
	if (c->work.needed)
		log_id("id", c->work.needed);
	log_text(
	    "why", c->work.needed
		       ? "the message lies nowhere else, and the database does not name its place"
		       : "not all of the pack can be read");
	log_text("cure", "stop the server and run `godwit store repair`");
	log_close();
}

/* Said once until a whole pass goes well: it is tried again in each. A lane that is closed is said elsewhere. */
static void tell_of_trouble(struct store_compact *c, const struct err *why)
{
	c->troubled = true;
	if (str_eq(str_of_c(why->text), str_of_c(c->trouble.text)))
		return;
	c->trouble = *why;
	log_open(LOG_ERROR, "compaction");
	log_text("why", why->text);
	log_text("cure",
	    "what was deleted for good takes its space until it goes well, and it is tried again every ten "
	    "minutes: make room on the disk, or see to the disk (the kernel's log has the reason)");
	log_close();
}

static void end_pass(struct store_compact *c)
{
	if (!c->troubled)
		c->trouble.text[0] = '\0';
	c->troubled = false;
	c->dead = c->work.dead;
}

/* Files wait to go, or something was purged behind our back. */
static int64_t next_pass(const struct store_compact *c)
{
	return c->kicked ? SOON_MS : c->work.ndrops ? MINUTE_MS : PASS_MS;
}

static void read_done(struct reader_op *op)
{
	struct store_compact *c = LIST_ENTRY(op, struct store_compact, work.read);

	tell_of_stay(c);
	if (op->result == DB_OK && c->work.complete)
		end_pass(c);
	if (op->result != DB_OK)
		tell_of_trouble(c, &op->err);
	if (op->result != DB_OK || c->work.complete) {
		wait_for(c, next_pass(c));
		c->kicked = false;
	} else if (c->work.has_work && !c->stopped) {
		store_write(c->sp->store, &c->work.write);
	} else {
		wait_for(c, c->work.walked ? pause_after(c, c->work.walked) : PACK_MS);
	}
}

static void write_done(struct lane_op *op)
{
	struct store_compact *c = LIST_ENTRY(op, struct store_compact, work.write);

	compact_written(&c->work, clock_mono());
	tell(c);
	tell_of_stay(c);
	if (op->result == LANE_FULL || op->result == LANE_FAILED)
		tell_of_trouble(c, &op->err);
	wait_for(
	    c, op->result == LANE_DONE ? pause_after(c, c->work.bytes + c->work.walked) : PASS_MS);
}

/* On a full disk a pack is worth half of what is left: its own space comes back a minute later. */
static int64_t room_to_copy(struct store *s)
{
	int64_t left = store_is_accepting(s) ? INT64_MAX : datadir_free_bytes(&s->dir);

	return left > 0 ? left / 2 : 0;
}

static void on_timer(uv_timer_t *timer)
{
	struct store_compact *c = timer->data;

	compact_tend(&c->work, clock_mono());
	if (c->sp->config->compact_rate == 0 || c->sp->lane_closed) {
		wait_for(c, PASS_MS);
		return;
	}
	c->busy = true;
	c->work.room = room_to_copy(c->sp->store);
	store_read(c->sp->store, &c->work.read);
}

struct store_compact *store_compact_new(struct store_process *sp)
{
	struct store_compact *c = mem_new(struct store_compact);

	c->sp = sp;
	c->dead = -1;
	compact_init(&c->work, sp->store->blobs);
	c->work.read.done = read_done;
	c->work.write.done = write_done;
	uv_timer_init(sp->loop, &c->timer);
	c->timer.data = c;
	uv_timer_start(&c->timer, on_timer, FIRST_MS, 0);
	return c;
}

void store_compact_kick(struct store_compact *c)
{
	c->kicked = c->busy || !c->work.complete;
	if (!c->busy && !c->stopped)
		uv_timer_start(&c->timer, on_timer, SOON_MS, 0);
}

int64_t store_compact_dead(const struct store_compact *c)
{
	return c->dead;
}

void store_compact_stop(struct store_compact *c)
{
	c->stopped = true;
	uv_timer_stop(&c->timer);
}

bool store_compact_busy(const struct store_compact *c)
{
	return c->busy;
}

void store_compact_free(struct store_compact **cp)
{
	struct store_compact *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	MUST(!c->busy);
	compact_tend(&c->work, INT64_MAX);
	compact_fini(&c->work);
	mem_free(c);
}
