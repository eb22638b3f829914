/* Dates: what is read can be printed, and is read back as the same moment. */
#include "fuzz.h"

#include "base/mem.h"
#include "mime/mime_date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_date d, again;
	struct buf b;

	if (mime_date_parse(str_of(data, size), &d) != MIME_DATE_OK)
		return 0;
	MUST(d.zone > -24 * 60 && d.zone < 24 * 60 && (!d.zone_unknown || d.zone == 0));
	buf_init(&b, 64);
	mime_date_put(&b, d.ms);
	MUST(mime_date_parse(buf_view(&b), &again) == MIME_DATE_OK && again.ms == d.ms);
	buf_fini(&b);
	return 0;
}
