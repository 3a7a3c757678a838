/* SPDX-License-Identifier: Apache-2.0 */
/* Whether svcbpf can listen where kube-proxy does, or who is there. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "cmd/migrate.h"
#include "util/cleanup.h"

/* Return: 0; -EADDRINUSE; other negative errno of bind(2). */
static int try_bind(const struct addr *addr, uint16_t port)
{
	const bool is_ipv6 = addr->family == ADDR_IPV6;
	_close_ int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memcpy(&in4.sin_addr, addr->bytes, sizeof(in4.sin_addr));
	memcpy(&in6.sin6_addr, addr->bytes, sizeof(in6.sin6_addr));
	if (is_ipv6)
		return bind(fd, (struct sockaddr *)&in6, sizeof(in6)) < 0 ? -errno : 0;
	return bind(fd, (struct sockaddr *)&in4, sizeof(in4)) < 0 ? -errno : 0;
}

static void tell_taken(struct migrate_report *report, const char *subject, const char *option,
		       uint16_t port)
{
	char name[MIGRATE_MODE_MAX];
	pid_t pid = migrate_port_owner("/proc", port, name);

	if (strcmp(name, "svcbpf") == 0)
		migrate_add(report, MIGRATE_NODE, MIGRATE_FINE, subject, "svcbpf's own");
	else if (strcmp(name, "kube-proxy") == 0 || (pid <= 0 && report->n_processes))
		migrate_add(report, MIGRATE_NODE, MIGRATE_NOTE, subject,
			    "kube-proxy's; svcbpf tries every 5 s and has it when kube-proxy has "
			    "stopped");
	else if (pid > 0)
		migrate_add(report, MIGRATE_NODE, MIGRATE_BLOCKS, subject,
			    "taken by %s, process %d: stop that, or give %s another address", name,
			    pid, option);
	else
		migrate_add(report, MIGRATE_NODE, MIGRATE_UNSEEN, subject,
			    "taken, and by whom only root sees, in the host's process namespace");
}

static void look_at_port(struct migrate_report *report, const char *option, const char *where)
{
	struct addr addr;
	uint16_t port;
	char subject[128];
	int r;

	if (!*where || options_parse_endpoint(where, &addr, &port) < 0)
		return;
	snprintf(subject, sizeof(subject), "port %u", port);
	r = try_bind(&addr, port);
	if (r == -EADDRINUSE)
		tell_taken(report, subject, option, port);
	else if (r < 0)
		migrate_add(report, MIGRATE_NODE, MIGRATE_BLOCKS, subject, "%s %s: %s", option,
			    where, strerror(-r));
	else
		migrate_add(report, MIGRATE_NODE, MIGRATE_FINE, subject, "free, for %s", option);
}

void migrate_look_at_ports(struct migrate_report *report)
{
	look_at_port(report, "--healthz-bind-address", report->options->healthz_bind_address);
	look_at_port(report, "--metrics-bind-address", report->options->metrics_bind_address);
}
