/* SPDX-License-Identifier: Apache-2.0 */
#include "util/addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define IPV4_LEN_BYTES	  4
#define IPV6_LEN_BYTES	  16
#define MAPPED_PREFIX_LEN 96

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static int digit_value(char c, unsigned int base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (base == 16 && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads digits up to @max at *@text and steps behind them; any number of leading zeros is fine. */
static int parse_number(const char **text, unsigned int base, unsigned int max,
			unsigned int *ret_value)
{
	const char *p = *text;
	unsigned int value = 0;
	int digit;

	while ((digit = digit_value(*p, base)) >= 0) {
		value = value * base + (unsigned int)digit;
		if (value > max)
			return -EINVAL;
		p++;
	}
	if (p == *text)
		return -EINVAL;
	*text = p;
	*ret_value = value;
	return 0;
}

/* Reads four numbers with dots between them; stops behind the last one. */
static int parse_ipv4(const char **text, uint8_t ret_bytes[IPV4_LEN_BYTES])
{
	const char *p = *text;
	uint8_t bytes[IPV4_LEN_BYTES];
	unsigned int value;

	for (size_t i = 0; i < IPV4_LEN_BYTES; i++) {
		if (i > 0 && *p++ != '.')
			return -EINVAL;
		if (parse_number(&p, 10, 0xff, &value) < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)value;
	}
	memcpy(ret_bytes, bytes, sizeof(bytes));
	*text = p;
	return 0;
}

/* An IPv6 address being read: @gap is the byte where "::" stands, -1 while there was none. */
struct ipv6_reader {
	uint8_t bytes[IPV6_LEN_BYTES];
	size_t len;
	int gap;
};

/* Reads one group, or a dotted IPv4 address as the last two. */
static int ipv6_read_group(struct ipv6_reader *reader, const char **text)
{
	const char *start = *text;
	unsigned int value;

	if (reader->len + 2 > IPV6_LEN_BYTES || parse_number(text, 16, 0xffff, &value) < 0)
		return -EINVAL;
	if (**text != '.') {
		reader->bytes[reader->len++] = (uint8_t)(value >> 8);
		reader->bytes[reader->len++] = (uint8_t)value;
		return 0;
	}
	*text = start;
	if (reader->len + IPV4_LEN_BYTES > IPV6_LEN_BYTES ||
	    parse_ipv4(text, &reader->bytes[reader->len]) < 0)
		return -EINVAL;
	reader->len += IPV4_LEN_BYTES;
	return **text == '\0' ? 0 : -EINVAL;
}

/* Reads ":" or "::" between groups; "::" may also end the address. */
static int ipv6_read_separator(struct ipv6_reader *reader, const char **text)
{
	if (*(*text)++ != ':')
		return -EINVAL;
	if (**text != ':')
		return **text == '\0' ? -EINVAL : 0;
	if (reader->gap >= 0)
		return -EINVAL;
	reader->gap = (int)reader->len;
	(*text)++;
	return 0;
}

static int parse_ipv6(const char *text, uint8_t ret_bytes[IPV6_LEN_BYTES])
{
	struct ipv6_reader reader = {.gap = -1};
	size_t n_behind;

	if (text[0] == ':' && text[1] == ':') {
		reader.gap = 0;
		text += 2;
	}
	while (*text) {
		if (ipv6_read_group(&reader, &text) < 0)
			return -EINVAL;
		if (*text && ipv6_read_separator(&reader, &text) < 0)
			return -EINVAL;
	}
	/* "::" stands for one group at least; without it all must be there */
	if ((reader.len == IPV6_LEN_BYTES) != (reader.gap < 0))
		return -EINVAL;
	memset(ret_bytes, 0, IPV6_LEN_BYTES);
	n_behind = reader.gap < 0 ? 0 : reader.len - (size_t)reader.gap;
	memcpy(ret_bytes, reader.bytes, reader.len - n_behind);
	memcpy(ret_bytes + IPV6_LEN_BYTES - n_behind, reader.bytes + reader.len - n_behind,
	       n_behind);
	return 0;
}

/* As addr_parse(), but ::ffff:a.b.c.d stays IPv6. */
static int parse_any(const char *text, struct addr *ret_addr)
{
	struct addr addr = {.family = ADDR_IPV4};
	const char *end = text;

	if (parse_ipv4(&end, addr.bytes) == 0 && *end == '\0') {
		*ret_addr = addr;
		return 0;
	}
	addr.family = ADDR_IPV6;
	if (parse_ipv6(text, addr.bytes) < 0)
		return -EINVAL;
	*ret_addr = addr;
	return 0;
}

int addr_parse(const char *text, struct addr *ret_addr)
{
	struct addr addr;

	if (parse_any(text, &addr) < 0)
		return -EINVAL;
	if (addr.family == ADDR_IPV6)
		addr_from_mapped(addr.bytes, &addr);
	*ret_addr = addr;
	return 0;
}

static void mask_bytes(uint8_t *bytes, size_t len_bytes, unsigned int prefix_len)
{
	for (size_t i = 0; i < len_bytes; i++) {
		unsigned int n_bits = prefix_len > 8 * i ? prefix_len - 8 * (unsigned int)i : 0;

		if (n_bits < 8)
			bytes[i] &= (uint8_t)(0xff00u >> n_bits);
	}
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

int cidr_parse(const char *text, struct cidr *ret_cidr)
{
	char copy[ADDR_TEXT_MAX];
	const char *slash, *prefix;
	size_t len = strlen(text);
	unsigned int bits;
	struct cidr cidr;

	while (len > 0 && is_space(text[len - 1]))
		len--;
	while (len > 0 && is_space(*text)) {
		text++;
		len--;
	}
	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	slash = strchr(copy, '/');
	if (!slash)
		return -EINVAL;
	copy[slash - copy] = '\0';
	prefix = slash + 1;
	if (parse_any(copy, &cidr.addr) < 0)
		return -EINVAL;
	if (parse_number(&prefix, 10, cidr.addr.family == ADDR_IPV4 ? 32 : 128, &bits) < 0 ||
	    *prefix)
		return -EINVAL;
	mask_bytes(cidr.addr.bytes, IPV6_LEN_BYTES, bits);
	if (cidr.addr.family == ADDR_IPV6 && bits >= MAPPED_PREFIX_LEN) {
		addr_from_mapped(cidr.addr.bytes, &cidr.addr);
		if (cidr.addr.family == ADDR_IPV4)
			bits -= MAPPED_PREFIX_LEN;
	}
	cidr.prefix_len = (uint8_t)bits;
	*ret_cidr = cidr;
	return 0;
}

bool cidr_contains(const struct cidr *cidr, const struct addr *addr)
{
	struct addr masked = *addr;

	if (addr->family == ADDR_NONE || addr->family != cidr->addr.family)
		return false;
	mask_bytes(masked.bytes, IPV6_LEN_BYTES, cidr->prefix_len);
	return addr_compare(&masked, &cidr->addr) == 0;
}

/* Finds the longest run of zero groups, two at least, the first of equals (RFC 5952, 4.2). */
static void longest_zero_run(const uint8_t bytes[IPV6_LEN_BYTES], size_t *ret_first, size_t *ret_n)
{
	size_t first = 0, n = 0;

	*ret_first = 0;
	*ret_n = 1;
	for (size_t i = 0; i < IPV6_LEN_BYTES / 2; i++) {
		if (bytes[2 * i] || bytes[2 * i + 1]) {
			n = 0;
			continue;
		}
		if (n++ == 0)
			first = i;
		if (n > *ret_n) {
			*ret_first = first;
			*ret_n = n;
		}
	}
	if (*ret_n == 1)
		*ret_n = 0;
}

static void format_ipv6(const uint8_t bytes[IPV6_LEN_BYTES], char buf[ADDR_TEXT_MAX])
{
	size_t run, n_run, len = 0;

	longest_zero_run(bytes, &run, &n_run);
	for (size_t i = 0; i < IPV6_LEN_BYTES / 2; i++) {
		unsigned int group = (unsigned int)bytes[2 * i] << 8 | bytes[2 * i + 1];

		if (n_run > 0 && i == run) {
			len += (size_t)sprintf(buf + len, "::");
			i += n_run - 1;
			continue;
		}
		if (i > 0 && buf[len - 1] != ':')
			buf[len++] = ':';
		len += (size_t)sprintf(buf + len, "%x", group);
	}
}

const char *addr_format(const struct addr *addr, char buf[ADDR_TEXT_MAX])
{
	const uint8_t *b = addr->bytes;

	buf[0] = '\0';
	if (addr->family == ADDR_IPV4)
		snprintf(buf, ADDR_TEXT_MAX, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	else if (addr->family == ADDR_IPV6)
		format_ipv6(b, buf);
	return buf;
}

const char *cidr_format(const struct cidr *cidr, char buf[ADDR_TEXT_MAX])
{
	size_t len;

	addr_format(&cidr->addr, buf);
	len = strlen(buf);
	snprintf(buf + len, ADDR_TEXT_MAX - len, "/%u", cidr->prefix_len);
	return buf;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool addr_is_loopback(const struct addr *addr)
{
	static const uint8_t ipv6_loopback[IPV6_LEN_BYTES] = {[IPV6_LEN_BYTES - 1] = 1};

	if (addr->family == ADDR_IPV4)
		return addr->bytes[0] == 127;
	return addr->family == ADDR_IPV6 && memcmp(addr->bytes, ipv6_loopback, IPV6_LEN_BYTES) == 0;
}

void addr_to_mapped(const struct addr *addr, uint8_t ret_bytes[16])
{
	if (addr->family != ADDR_IPV4) {
		memcpy(ret_bytes, addr->bytes, IPV6_LEN_BYTES);
		return;
	}
	memcpy(ret_bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(ret_bytes + sizeof(mapped_prefix), addr->bytes, IPV4_LEN_BYTES);
}

void addr_from_mapped(const uint8_t bytes[16], struct addr *ret_addr)
{
	struct addr addr = {.family = ADDR_IPV6};

	if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		addr.family = ADDR_IPV4;
		memcpy(addr.bytes, bytes + sizeof(mapped_prefix), IPV4_LEN_BYTES);
	} else {
		memcpy(addr.bytes, bytes, IPV6_LEN_BYTES);
	}
	*ret_addr = addr;
}

static const struct {
	const char *name;
	uint8_t protocol;
} protocols[] = {
	{"TCP", IPPROTO_TCP},
	{"UDP", IPPROTO_UDP},
	{"SCTP", IPPROTO_SCTP},
};

const char *protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (protocols[i].protocol == protocol)
			return protocols[i].name;
	}
	return "?";
}

int protocol_parse(const char *text, uint8_t *ret_protocol)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strcmp(protocols[i].name, text) == 0) {
			*ret_protocol = protocols[i].protocol;
			return 0;
		}
	}
	return -EINVAL;
}
