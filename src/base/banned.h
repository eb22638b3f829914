/*
 * Functions that must not be used, turned into compile errors. The build includes this file
 * before everything else in every source file (-include), so that no file can forget it.
 *
 * Why: unbounded copies (strcpy, sprintf), silent truncation (strncpy), hidden state (strtok),
 * parsing without an error (atoi, strtol), behaviour that depends on the locale (ctype.h).
 * Use struct str, struct buf, struct cur and ascii_* instead.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BANNED(fn) sorry_##fn##_is_a_banned_function

#undef strcpy
#define strcpy(d, s) BANNED(strcpy)
#undef strcat
#define strcat(d, s) BANNED(strcat)
#undef strncpy
#define strncpy(d, s, n) BANNED(strncpy)
#undef strncat
#define strncat(d, s, n) BANNED(strncat)
#undef stpcpy
#define stpcpy(d, s) BANNED(stpcpy)
#undef strtok
#define strtok(s, d) BANNED(strtok)
#undef strtok_r
#define strtok_r(s, d, p) BANNED(strtok_r)
#undef sprintf
#define sprintf(...) BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf)
#undef atoi
#define atoi(s) BANNED(atoi)
#undef atol
#define atol(s) BANNED(atol)
#undef atoll
#define atoll(s) BANNED(atoll)
#undef strtol
#define strtol(s, e, b) BANNED(strtol)
#undef strtoul
#define strtoul(s, e, b) BANNED(strtoul)
#undef strtoll
#define strtoll(s, e, b) BANNED(strtoll)
#undef strtoull
#define strtoull(s, e, b) BANNED(strtoull)
#undef strcasecmp
#define strcasecmp(a, b) BANNED(strcasecmp)
#undef strncasecmp
#define strncasecmp(a, b, n) BANNED(strncasecmp)
#undef toupper
#define toupper(c) BANNED(toupper)
#undef tolower
#define tolower(c) BANNED(tolower)
#undef isalpha
#define isalpha(c) BANNED(isalpha)
#undef isdigit
#define isdigit(c) BANNED(isdigit)
#undef isalnum
#define isalnum(c) BANNED(isalnum)
#undef isspace
#define isspace(c) BANNED(isspace)
#undef isprint
#define isprint(c) BANNED(isprint)

#endif
