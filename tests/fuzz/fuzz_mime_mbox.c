/*
 * mbox files: how they are cut changes nothing; what is found and written again is found again, but
 * for the line end that a message may lack. Names of Maildir folders on the way.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_maildir.h"
#include "mime/mime_mbox.h"

struct found {
	struct buf all;     /* every message with what is known of it */
	struct buf message; /* the one at hand */
	struct buf sender;
	int64_t date;
	struct buf *again; /* where messages are written to, or NULL */
};

static void on_begin(void *ctx, struct str sender, int64_t date)
{
	struct found *f = ctx;

	buf_clear(&f->message);
	buf_clear(&f->sender);
	buf_str(&f->sender, sender);
	f->date = date;
}

static void on_bytes(void *ctx, struct str bytes)
{
	struct found *f = ctx;

	buf_str(&f->message, bytes);
}

static void on_end(void *ctx, struct str keywords)
{
	struct found *f = ctx;
	struct mime_mbox_writer w;

	buf_str(&f->all, buf_view(&f->message));
	buf_byte(&f->all, 0);
	buf_str(&f->all, keywords);
	buf_byte(&f->all, 0);
	if (!f->again)
		return;
	mime_mbox_write_begin(&w, f->again, buf_view(&f->sender),
	    f->date == MIME_MBOX_NO_DATE ? 0 : f->date, keywords);
	mime_mbox_write(&w, buf_view(&f->message));
	mime_mbox_write_end(&w);
}

/* The next one is the first that is written. */
static void on_drop(void *ctx)
{
}

static void found_init(struct found *f, struct buf *again)
{
	*f = (struct found){.again = again};
	buf_init(&f->all, 64 * MIB);
	buf_init(&f->message, 64 * MIB);
	buf_init(&f->sender, 64 * MIB);
}

static void found_fini(struct found *f)
{
	buf_fini(&f->all);
	buf_fini(&f->message);
	buf_fini(&f->sender);
}

static void read_file(struct found *f, struct str file, size_t piece)
{
	struct mime_mbox_sink sink = {on_begin, on_bytes, on_end, on_drop, f};
	struct mime_mbox_reader *r = mime_mbox_reader_new(&sink);
	bool good = true;

	for (size_t at = 0; at < file.n && good; at += piece)
		good = mime_mbox_feed(r, str_sub(file, at, piece));
	mime_mbox_finish(r);
	mime_mbox_reader_free(&r);
}

static void try_folder(struct str name)
{
	struct buf path, back, again;

	buf_init(&path, MIB);
	buf_init(&back, MIB);
	buf_init(&again, MIB);
	if (mime_maildir_folder_read(&path, name)) {
		mime_maildir_folder_put(&back, buf_view(&path));
		MUST(mime_maildir_folder_read(&again, buf_view(&back)));
		MUST(str_eq(buf_view(&again), buf_view(&path)));
	}
	buf_fini(&path);
	buf_fini(&back);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str file = str_of(data, size);
	struct found whole, pieces, again;
	struct buf copy;

	buf_init(&copy, 64 * MIB);
	found_init(&whole, &copy);
	found_init(&pieces, NULL);
	found_init(&again, NULL);
	read_file(&whole, file, size + 1);
	read_file(&pieces, file, 7);
	MUST(str_eq(buf_view(&whole.all), buf_view(&pieces.all)));
	read_file(&again, buf_view(&copy), 4096);
	MUST(str_eq(buf_view(&whole.all), buf_view(&again.all)));
	try_folder(str_sub(file, 0, 200));
	found_fini(&whole);
	found_fini(&pieces);
	found_fini(&again);
	buf_fini(&copy);
	return 0;
}
