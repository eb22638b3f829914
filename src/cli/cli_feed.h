/*
 * The stream of messages that the admin command import is fed: queued here, pulled by admin_call().
 * Messages are scanned on their way for the summary that the store keeps.
 */
#ifndef CLI_CLI_FEED_H
#define CLI_CLI_FEED_H

#include "cli/cli_progress.h"
#include "ipc/admin.h"
#include "mime/mime_scan.h"

struct cli_feed {
	struct buf up; /* frames that wait */
	size_t sent;   /* of them */
	struct mime_scan *scan;
	int64_t size; /* of the message at hand */
	int64_t taken, there, bytes;
	int64_t deleted; /* there before, and deleted there: not taken */
	struct cli_progress progress;
	const char *doing; /* for the progress: "importing" */
	int quiet;         /* an exit code that is not told, or 0 */

	/* Puts more in: some messages or a piece of one. False at the end. */
	bool (*pump)(void *ctx);
	void *ctx;
};

void cli_feed_init(struct cli_feed *f, const char *doing, bool (*pump)(void *ctx), void *ctx);
void cli_feed_fini(struct cli_feed *f);

void cli_feed_begin(struct cli_feed *f, const struct admin_feed_begin *m);
void cli_feed_bytes(struct cli_feed *f, struct str bytes);

/*
 * received: MIME_MBOX_NO_DATE (INT64_MIN) for the message's own date, or now. summary: empty for what the
 * scan finds. NULL, or why it is dropped instead: an empty message, or one above LIMIT_MESSAGE_SIZE.
 */
const char *cli_feed_end(
    struct cli_feed *f, int64_t received, struct str keywords, struct str summary);
void cli_feed_drop(struct cli_feed *f);

/* Calls the admin command with it. The exit code; a failure has been told, but that of f->quiet. request: an ADMIN_IMPORT. */
int cli_feed_call(struct cli_feed *f, const char *dir, const struct admin_request *request);

/*
 * Whether there is something to sum up after that exit code, and answers for so many messages: not where the command was
 * refused, as it is while another one is at the account. What fails before the first answer counts as that.
 */
bool cli_feed_was_begun(int code, int64_t answers);

#endif
