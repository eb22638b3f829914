/* Binary encoding into a buffer: big-endian, lengths before bytes. Read back with cur_u8() ... cur_str(). */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "base/buf.h"

void wire_u8(struct buf *b, uint8_t v);
void wire_u16(struct buf *b, uint16_t v);
void wire_u32(struct buf *b, uint32_t v);
void wire_u64(struct buf *b, uint64_t v);
void wire_i64(struct buf *b, int64_t v);
void wire_bool(struct buf *b, bool v);

/* 32-bit length and the bytes. */
void wire_str(struct buf *b, struct str s);

#endif
