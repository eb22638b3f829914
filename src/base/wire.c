#include "base/wire.h"

static void wire_be(struct buf *b, uint64_t v, size_t n)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	buf_add(b, bytes, n);
}

void wire_u8(struct buf *b, uint8_t v)
{
	wire_be(b, v, 1);
}

void wire_u16(struct buf *b, uint16_t v)
{
	wire_be(b, v, 2);
}

void wire_u32(struct buf *b, uint32_t v)
{
	wire_be(b, v, 4);
}

void wire_u64(struct buf *b, uint64_t v)
{
	wire_be(b, v, 8);
}

void wire_i64(struct buf *b, int64_t v)
{
	wire_be(b, (uint64_t)v, 8);
}

void wire_bool(struct buf *b, bool v)
{
	wire_be(b, v, 1);
}

void wire_str(struct buf *b, struct str s)
{
	wire_u32(b, (uint32_t)s.n);
	buf_str(b, s);
}
