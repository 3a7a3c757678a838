/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of iptables-legacy, by getsockopt(2) as iptables itself reads them: the chains' names are
 * in entries with the target ERROR (linux/netfilter/x_tables.h). IPv4 and IPv6 differ in the size
 * of an entry and the numbers of the options only.
 */
#include <netinet/in.h> /* before linux/in.h, which then leaves out what is here */

#include <errno.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "datapath/foreign_rules.h"
#include "util/cleanup.h"

/* The largest table seen with 10,000 Services is 20 MB. */
#define MAX_BYTES (256u << 20)

/** struct kind - what is different in each family. */
struct kind {
	const char *names; /* the tables there are */
	int family;
	int level;
	int get_info;
	int get_entries;
	size_t entry_bytes;
	size_t target_at; /* of target_offset in an entry */
	size_t next_at;	  /* of next_offset */
};

static const struct kind kinds[] = {
	[FOREIGN_IPV4] = {"/proc/net/ip_tables_names", AF_INET, IPPROTO_IP, IPT_SO_GET_INFO,
			  IPT_SO_GET_ENTRIES, sizeof(struct ipt_entry),
			  offsetof(struct ipt_entry, target_offset),
			  offsetof(struct ipt_entry, next_offset)},
	[FOREIGN_IPV6] = {"/proc/net/ip6_tables_names", AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO,
			  IP6T_SO_GET_ENTRIES, sizeof(struct ip6t_entry),
			  offsetof(struct ip6t_entry, target_offset),
			  offsetof(struct ip6t_entry, next_offset)},
};
_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "one for both");
_Static_assert(offsetof(struct ipt_get_entries, entrytable) ==
		       offsetof(struct ip6t_get_entries, entrytable),
	       "one for both");

/** struct table - a table as it was read. @entries: @len_bytes of them, owned. */
struct table {
	const struct kind *kind;
	struct ipt_getinfo info;
	char *data;
	const char *entries;
	size_t len_bytes;
};

static uint16_t read_u16(const char *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The target of the entry at @at. Return: NULL when it does not fit into the table. */
static const struct xt_entry_target *target_of(const struct table *table, size_t at)
{
	size_t target;

	if (at + table->kind->entry_bytes > table->len_bytes)
		return NULL;
	target = at + read_u16(table->entries + at + table->kind->target_at);
	if (target + sizeof(struct xt_standard_target) > table->len_bytes)
		return NULL;
	return (const struct xt_entry_target *)(table->entries + target);
}

/* Whether there is a chain of this name. */
static bool has_chain(const struct table *table, const char *name)
{
	size_t at = 0;

	for (;;) {
		const struct xt_entry_target *target = target_of(table, at);
		const struct xt_error_target *error = (const struct xt_error_target *)target;
		uint16_t next;

		if (!target)
			return false;
		if (strcmp(target->u.user.name, XT_ERROR_TARGET) == 0 &&
		    target->u.user.target_size >= sizeof(*error) &&
		    strncmp(error->errorname, name, sizeof(error->errorname)) == 0)
			return true;
		next = read_u16(table->entries + at + table->kind->next_at);
		if (!next)
			return false;
		at += next;
	}
}

/* The policy of a built-in chain is the verdict of its last rule. */
static bool drops_forwarded(const struct table *table)
{
	const struct xt_entry_target *target =
		target_of(table, table->info.underflow[NF_INET_FORWARD]);

	return target && !*target->u.user.name &&
	       ((const struct xt_standard_target *)target)->verdict == -NF_DROP - 1;
}

/* @ret: its kind is set. */
static int read_table(const char *name, struct table *ret)
{
	const struct kind *kind = ret->kind;
	_close_ int fd = socket(kind->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ipt_getinfo info = {};
	_free_ struct ipt_get_entries *entries = NULL;
	socklen_t len = sizeof(info);

	if (fd < 0)
		return -errno;
	snprintf(info.name, sizeof(info.name), "%.31s", name);
	if (getsockopt(fd, kind->level, kind->get_info, &info, &len) < 0)
		return -errno;
	if (info.size > MAX_BYTES)
		return -EFBIG;
	len = (socklen_t)(offsetof(struct ipt_get_entries, entrytable) + info.size);
	entries = calloc(1, len);
	if (!entries)
		return -ENOMEM;
	snprintf(entries->name, sizeof(entries->name), "%.31s", name);
	entries->size = info.size;
	if (getsockopt(fd, kind->level, kind->get_entries, entries, &len) < 0)
		return -errno; /* EAGAIN: it has another size by now */
	ret->info = info;
	ret->len_bytes = info.size;
	ret->entries = (const char *)entries->entrytable;
	ret->data = (char *)TAKE_PTR(entries);
	return 0;
}

static int look(struct foreign_rules *rules, int family, const char *name)
{
	struct table table = {.kind = &kinds[family]};
	int r = -EAGAIN;

	if (strcmp(name, "nat") != 0 && strcmp(name, "filter") != 0)
		return 0;
	for (int i = 0; r == -EAGAIN && i < 10; i++)
		r = read_table(name, &table);
	if (!table.data)
		return r;
	if (strcmp(name, "nat") == 0)
		rules->has_legacy[family] |= has_chain(&table, "KUBE-SERVICES");
	else
		rules->drops_forwarded[family] |= drops_forwarded(&table);
	free(table.data);
	return 0;
}

/* Only tables that are there: asking for another would make it. */
static int read_family(struct foreign_rules *rules, int family)
{
	_fclose_ FILE *file = fopen(kinds[family].names, "re");
	char line[64];
	int r = 0;

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		r = look(rules, family, line);
	}
	return r;
}

int foreign_legacy_read(struct foreign_rules *rules)
{
	int r = read_family(rules, FOREIGN_IPV4);

	return r < 0 ? r : read_family(rules, FOREIGN_IPV6);
}
