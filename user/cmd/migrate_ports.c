/* SPDX-License-Identifier: Apache-2.0 */
/* Whether svcbpf can listen where kube-proxy does, or who is there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/migrate.h"
#include "http/http_bind.h"
#include "util/cleanup.h"

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
	struct http_bind bind;
	_close_ int fd = -1;
	char subject[128];
	int r;

	if (!*where || http_bind_parse(where, &bind) < 0)
		return;
	snprintf(subject, sizeof(subject), "port %u", bind.port);
	r = http_bind_listen(&bind, &fd); /* as run will */
	if (r == -EADDRINUSE)
		tell_taken(report, subject, option, bind.port);
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
