/*
 * Memory. Running out of it aborts: whatever a peer can make grow has a maximum elsewhere
 * (base/limits.h), so these never return NULL.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Zeroed memory of n bytes (n = 0 gives a unique pointer). Aborts when there is none. */
void *mem_alloc(size_t n);

/* Zeroed array; aborts on overflow of count * size. */
void *mem_array(size_t count, size_t size);

/* realloc; new bytes are not zeroed. Aborts when there is none. */
void *mem_resize(void *p, size_t n);

/*
 * v, an array of n elements of that size, with room for one more: it doubles when *capacity is n, from 8 on. What is
 * new is not zeroed. Aborts when there is no memory, and on overflow.
 */
void *mem_grow(void *v, size_t n, size_t *capacity, size_t size);

/* free; takes NULL. */
void mem_free(void *p);

/* Overwrites n bytes in a way no compiler removes: for passwords and keys. */
void mem_wipe(void *p, size_t n);

#define mem_new(type) ((type *)mem_alloc(sizeof(type)))

/* A bug: says where, and aborts. Compiled in always. */
#define BUG_ON(cond)                                                                               \
	do {                                                                                       \
		if (__builtin_expect(!!(cond), 0))                                                 \
			mem_bug(__FILE__, __LINE__, #cond);                                        \
	} while (0)
#define MUST(cond) BUG_ON(!(cond))
#define BUG(text)  mem_bug(__FILE__, __LINE__, text)

/* Memory is out, n octets (0: nobody knows) were asked for: says what to do about it, and aborts. */
_Noreturn void mem_out(size_t n);

/* What a library does, and only for want of memory does not. */
#define MEM_MUST(done)                                                                             \
	do {                                                                                       \
		if (__builtin_expect(!(done), 0))                                                  \
			mem_out(0);                                                                \
	} while (0)

_Noreturn void mem_bug(const char *file, int line, const char *what);

#endif
