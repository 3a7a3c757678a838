/* SPDX-License-Identifier: Apache-2.0 */
/* One text, read as each of the small forms there are. What is written is read the same again. */
#include <arpa/inet.h>

#include "cmd/options.h"
#include "datapath/node_addresses.h"
#include "fuzz.h"
#include "http/http_bind.h"
#include "http/http_client.h"
#include "source/rfc3339.h"
#include "util/addr.h"
#include "util/base64.h"
#include "util/cleanup.h"

/* What inet_pton(3) reads we read too; we read more, leading zeros. */
static void check_inet(const char *text, bool is_good, const struct addr *addr)
{
	uint8_t ipv4[4], ipv6[16], mapped[16];

	if (inet_pton(AF_INET, text, ipv4) == 1) {
		fuzz_assert(is_good && addr->family == ADDR_IPV4);
		fuzz_assert(memcmp(addr->bytes, ipv4, sizeof(ipv4)) == 0);
	}
	if (inet_pton(AF_INET6, text, ipv6) == 1) {
		fuzz_assert(is_good);
		addr_to_mapped(addr, mapped);
		fuzz_assert(memcmp(mapped, ipv6, sizeof(ipv6)) == 0);
	}
}

static void check_addr(const char *text)
{
	struct addr addr = {}, again;
	char buf[ADDR_TEXT_MAX];
	bool is_good = addr_parse(text, &addr) == 0;

	check_inet(text, is_good, &addr);
	if (!is_good)
		return;
	fuzz_assert(addr_parse(addr_format(&addr, buf), &again) == 0);
	fuzz_assert(addr_compare(&addr, &again) == 0);
}

static void check_cidr(const char *text)
{
	struct cidr cidr, again;
	char buf[ADDR_TEXT_MAX];

	if (cidr_parse(text, &cidr) < 0)
		return;
	fuzz_assert(cidr_contains(&cidr, &cidr.addr));
	fuzz_assert(cidr_parse(cidr_format(&cidr, buf), &again) == 0);
	fuzz_assert(addr_compare(&cidr.addr, &again.addr) == 0);
	fuzz_assert(cidr.prefix_len == again.prefix_len);
}

static void check_bind(const char *text)
{
	char buf[HTTP_BIND_TEXT_MAX];
	struct http_bind bind, again;
	struct addr addr;
	uint16_t port;

	options_parse_endpoint(text, &addr, &port);
	if (http_bind_parse(text, &bind) < 0)
		return;
	fuzz_assert(http_bind_parse(http_bind_format(&bind, buf), &again) == 0);
	fuzz_assert(bind.port == again.port && bind.is_any == again.is_any);
	fuzz_assert(bind.is_any || addr_compare(&bind.addr, &again.addr) == 0);
}

static void check_base64(const char *text, const uint8_t *data, size_t size)
{
	_free_ char *encoded = base64_encode((const char *)data, size);
	_free_ char *decoded = NULL, *ignored = NULL;
	size_t len;

	fuzz_assert(encoded && base64_decode(encoded, &decoded, &len) == 0);
	fuzz_assert(len == size && memcmp(decoded, data, size) == 0);
	base64_decode(text, &ignored, &len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(node_addresses_selection_clear) struct node_addresses_selection selection = {};
	_free_ char *text = fuzz_text(data, size);
	const char *problem = NULL;
	struct timespec time;

	check_addr(text);
	check_cidr(text);
	check_bind(text);
	check_base64(text, data, size);
	node_addresses_parse(text, &selection);
	fuzz_assert(http_url_check(text, &problem) == 0 || problem);
	if (rfc3339_parse(text, &time) == 0)
		fuzz_assert(time.tv_nsec >= 0 && time.tv_nsec < 1000000000);
	return 0;
}
