/* The names by which the linker joins a call, what stands in its place, and the C library's own (--wrap). */
#ifndef CRASH_MEMORY_CALLS_H
#define CRASH_MEMORY_CALLS_H

#define REAL(name) __real_##name
#define WRAP(name) __wrap_##name

/* The head of what stands in the place of a call; the real one is declared beside. */
#define CALL(type, name, arguments)                                                                \
	type REAL(name) arguments;                                                                 \
	type WRAP(name) arguments;                                                                 \
	type WRAP(name) arguments

#endif
