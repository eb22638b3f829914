/*
 * Loaded with LD_PRELOAD into all servers of the tests: passwords are hashed at the least cost there is, for thousands of
 * accounts are made and logged in to. What a hash costs else is for tests/unit/store/test_password.c, and the demo
 * has it too.
 */
#include <dlfcn.h>
#include <sodium.h>

#define OPS crypto_pwhash_OPSLIMIT_MIN
#define MEM crypto_pwhash_MEMLIMIT_MIN

int crypto_pwhash_str_alg(char out[crypto_pwhash_STRBYTES], const char *password,
    unsigned long long n, unsigned long long ops, size_t mem, int alg)
{
	__typeof__(&crypto_pwhash_str_alg) real = (__typeof__(&crypto_pwhash_str_alg))dlsym(
	    RTLD_NEXT, "crypto_pwhash_str_alg");

	return real(out, password, n, OPS, MEM, alg);
}

int crypto_pwhash(unsigned char *out, unsigned long long out_n, const char *password,
    unsigned long long n, const unsigned char *salt, unsigned long long ops, size_t mem, int alg)
{
	__typeof__(&crypto_pwhash) real = (__typeof__(&crypto_pwhash))dlsym(
	    RTLD_NEXT, "crypto_pwhash");

	return real(out, out_n, password, n, salt, OPS, MEM, alg);
}
