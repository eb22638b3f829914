/*
 * Answers of DNS servers. Octet 0 is the type asked for, the rest the packet that answers for a.test: read, it
 * keeps the promises of dns.h, and passes the edge between relay and resolver unchanged. The packet is
 * also read as a reply on that edge.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "dns/dns_packet.h"
#include "ipc/relay_resolver.h"

static void check(const struct dns_result *r, enum dns_type type)
{
	bool explained = r->status != DNS_OK && r->status != DNS_NODATA &&
			 r->status != DNS_NXDOMAIN;

	MUST((r->count > 0) == (r->status == DNS_OK) && r->count <= LIMIT_DNS_ANSWERS);
	MUST(explained || r->why.n == 0);
	MUST(r->canonical.n == 0 || dns_name_is_valid(r->canonical));
	for (size_t i = 0; i < r->count; i++) {
		const struct dns_answer *a = &r->answers[i];

		MUST(a->bytes.n <= LIMIT_DNS_ANSWER);
		if (type == DNS_MX || type == DNS_PTR)
			MUST(dns_name_is_valid(a->host) || (type == DNS_MX && a->host.n == 0));
		if (type == DNS_A)
			MUST(ip_is_v4(&a->ip));
	}
}

/* Over the edge and over it again: the same octets. */
static void pass(const struct dns_result *r, enum dns_type type, struct arena *a)
{
	struct dns_result got;
	struct buf b, again;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	buf_init(&again, LIMIT_IPC_PAYLOAD);
	rr_reply_put(&b, type, r);
	MUST(b.n <= rr_edge.types[RR_LOOKUP].reply_max);
	MUST(rr_reply_get(buf_view(&b), type, a, &got));
	rr_reply_put(&again, type, &got);
	MUST(str_eq(buf_view(&b), buf_view(&again)));
	buf_fini(&b);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct dns_result r = {.status = DNS_STATUSES};

	if (size > 0) {
		enum dns_type type = (enum dns_type)(data[0] % DNS_TYPES);
		struct str bytes = str_of(data + 1, size - 1);

		dns_packet_read(bytes, STR("a.test"), type, a, &r);
		check(&r, type);
		MUST(!r.secure && r.ttl <= LIMIT_DNS_TTL);
		pass(&r, type, a);
		if (rr_reply_get(bytes, type, a, &r))
			pass(&r, type, a);
	}
	arena_free(&a);
	return 0;
}
