/*
 * Addresses of sent-on mail: what the input names as sender comes back from its address, and the input
 * as a local part is refused or leads to what would make it again.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "queue/queue_srs.h"

static const struct hash_key key = {1, 2};

#define MESSAGE INT64_C(0x123456789abcdef)
#define NOW     (20000 * DAY_MS)

static void check_sender(struct arena *a, struct str sender)
{
	size_t at = str_rfind(sender, '@');
	struct queue_srs_origin o;
	enum queue_srs_status status;
	struct str local;
	struct buf b;

	buf_init(&b, LIMIT_SMTP_PATH);
	MUST(queue_srs_put(&b, &key, sender, MESSAGE, STR("ours.test"), NOW));
	local = str_sub(buf_view(&b), 0, str_rfind(buf_view(&b), '@'));
	MUST(local.n <= LIMIT_SMTP_LOCAL_PART && !b.overflow && !str_has_cntrl(local));
	status = queue_srs_read(&key, local, NOW, a, &o);
	MUST(status == QUEUE_SRS_ADDRESS || status == QUEUE_SRS_MESSAGE);
	if (status == QUEUE_SRS_MESSAGE)
		MUST(o.message == MESSAGE);
	else if (local.p[3] == '0')
		MUST(str_eq(o.local, str_sub(sender, 0, at)) &&
		     str_eq_i(o.domain, str_from(sender, at + 1)));
	else
		MUST(str_has_prefix(o.local, STR("SRS0")) && o.domain.n > 0);
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct str input = str_of(data, size);
	struct queue_srs_origin o = {STR(""), STR(""), 0};
	enum queue_srs_status status = queue_srs_read(&key, input, NOW, a, &o);

	MUST((status == QUEUE_SRS_ADDRESS) == (o.domain.n > 0));
	MUST((status == QUEUE_SRS_MESSAGE) == (o.message > 0));
	if (size <= LIMIT_SMTP_PATH / 2)
		check_sender(a, input);
	arena_free(&a);
	return 0;
}
