/* The admin command repair: store/repair.h on a store that nobody else uses. */
#include <sysexits.h>

#include "proc/store_admin_job.h"
#include "store/repair.h"

static void on_message(void *ctx, int64_t message, int64_t account, const char *file)
{
	struct admin_job *j = ctx;
	size_t at;

	if (j->out.n > LIMIT_IPC_PAYLOAD - 64 * KIB)
		return; /* the files in quarantine/ tell as well */
	at = admin_record_begin(&j->out);
	admin_record_text(&j->out, "type", STR("given-up"));
	admin_put_id(j, "id", message);
	admin_record_number(&j->out, ADMIN_INT, "account", account);
	admin_record_text(&j->out, "file", str_of_c(file));
	admin_record_end(&j->out, at);
}

enum admin_step admin_repair(struct admin_job *j)
{
	struct repair r = {.on_message = on_message, .ctx = j};

	if (j->ctx->online)
		return admin_job_finish(
		    j, EX_UNAVAILABLE, "the server is running: stop it, then run this again");
	if (!repair_run(&r, j->ctx->store))
		return admin_job_finish(
		    j, EX_IOERR, "not all is repaired, run this again: %s", r.err.text);
	return admin_job_finish(j, EX_OK,
	    "repaired: %lld messages were damaged and are in quarantine/, %lld were found again, %lld "
	    "damaged packs were emptied; run `godwit store verify` to see what is left",
	    (long long)r.damaged, (long long)r.indexed, (long long)r.moved);
}
