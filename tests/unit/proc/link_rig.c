#include "link_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

bool link_rig_carry(struct ipc_link *from, struct ipc_link *to)
{
	struct iovec vec[16];
	struct buf bytes;
	const char *why;
	int fd;
	bool any = false;
	size_t n;

	buf_init(&bytes, 4 * LIMIT_IPC_PAYLOAD);
	while ((n = ipc_link_out(from, vec, 16, &fd)) > 0) {
		size_t sum = 0;

		for (size_t i = 0; i < n; i++) {
			buf_add(&bytes, vec[i].iov_base, vec[i].iov_len);
			sum += vec[i].iov_len;
		}
		ipc_link_sent(from, sum);
		any = true;
	}
	assert_int_equal(ipc_link_feed(to, buf_view(&bytes), NULL, 0, &why), 0);
	buf_fini(&bytes);
	return any;
}
