/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/changes.h"

#include <stdio.h>
#include <string.h>

#include "util/log.h"

/* Lines in a row before the budget of one a second begins to count. */
#define BURST_LINES 20

static int backend_compare(const struct backend *a, const struct backend *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (a->port > b->port) - (a->port < b->port);
}

/* The backends that are in one list or the other; both are sorted. */
static size_t count_backends(const struct service_port *port)
{
	const struct backend_list *a = &port->cluster;
	const struct backend_list *b = &port->local;
	size_t i = 0;
	size_t j = 0;
	size_t n = 0;

	for (; i < a->n_backends && j < b->n_backends; n++) {
		int order = backend_compare(&a->backends[i], &b->backends[j]);

		i += order <= 0;
		j += order >= 0;
	}
	return n + (a->n_backends - i) + (b->n_backends - j);
}

void changes_count(struct changes *changes, const struct service_port_key *key,
		   const struct service_port *new)
{
	char name[sizeof(changes->last)];

	snprintf(name, sizeof(name), "%s/%s", key->namespace, key->name);
	if (strcmp(name, changes->last) != 0) {
		if (changes->n_services < CHANGES_MAX_NAMES)
			memcpy(changes->names[changes->n_services], name, sizeof(name));
		memcpy(changes->last, name, sizeof(name));
		changes->n_services++;
	}
	if (!new) {
		changes->n_removed_ports++;
		return;
	}
	changes->n_frontends += new->n_frontends;
	changes->n_backends += count_backends(new);
}

static bool budget_take(struct changes_budget *budget, uint64_t now_ms)
{
	uint64_t n_forgiven = (now_ms - budget->forgiven_ms) / 1000;

	if (n_forgiven) {
		budget->n_used -=
			n_forgiven < budget->n_used ? (uint32_t)n_forgiven : budget->n_used;
		budget->forgiven_ms = now_ms;
	}
	if (budget->n_used >= BURST_LINES) {
		budget->n_dropped++;
		return false;
	}
	budget->n_used++;
	return true;
}

static void format_names(const struct changes *changes, char *buf, size_t size_bytes)
{
	size_t n_named =
		changes->n_services < CHANGES_MAX_NAMES ? changes->n_services : CHANGES_MAX_NAMES;
	size_t len = 0;

	for (size_t i = 0; i < n_named && len < size_bytes; i++)
		len += (size_t)snprintf(buf + len, size_bytes - len, "%s%s", i ? ", " : "",
					changes->names[i]);
	if (changes->n_services > n_named && len < size_bytes)
		snprintf(buf + len, size_bytes - len, " and %zu more Services",
			 changes->n_services - n_named);
}

void changes_log(const struct changes *changes, struct changes_budget *budget, uint64_t now_ms,
		 uint64_t n_written, double duration_ms)
{
	char names[CHANGES_MAX_NAMES * 160 + 64] = "nothing";
	char dropped[80] = "";
	const bool is_logged = budget_take(budget, now_ms);

	format_names(changes, names, sizeof(names));
	if (is_logged && budget->n_dropped) {
		snprintf(dropped, sizeof(dropped), " (%llu changes before it were not logged)",
			 (unsigned long long)budget->n_dropped);
		budget->n_dropped = 0;
	}
	log_write(is_logged ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
		  "changed %s: %llu map entries written in %.1f ms%s", names,
		  (unsigned long long)n_written, duration_ms, dropped);
}
