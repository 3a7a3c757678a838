/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "model/model_private.h"
#include "svcbpf/abi.h"

#define NAME_TEXT_MAX 512
#define LINE_TEXT_MAX 512

static const char *const type_names[] = {
	[SVC_TYPE_CLUSTER_IP] = "ClusterIP",
	[SVC_TYPE_EXTERNAL_IP] = "ExternalIP",
	[SVC_TYPE_LOAD_BALANCER] = "LoadBalancer",
	[SVC_TYPE_NODE_PORT] = "NodePort",
};

void problems_clear(struct model *model, struct service_entry *entry)
{
	if (entry->n_problems == 0)
		return;
	for (size_t i = 0; i < entry->n_problems; i++)
		free(entry->problems[i]);
	free(entry->problems);
	entry->problems = NULL;
	entry->n_problems = 0;
	DL_DELETE2(model->troubled, entry, problem_prev, problem_next);
}

int problems_add(struct model *model, struct service_entry *entry, const char *format, ...)
{
	char **problems = reallocarray(entry->problems, entry->n_problems + 1, sizeof(*problems));
	va_list args;
	char *text;
	int r;

	if (!problems)
		return -ENOMEM;
	entry->problems = problems;
	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0)
		return -ENOMEM;
	if (entry->n_problems == 0)
		DL_APPEND2(model->troubled, entry, problem_prev, problem_next);
	entry->problems[entry->n_problems++] = text;
	return 0;
}

/* "ExternalIP 203.0.113.5 port 80/TCP", "NodePort 30080/TCP (IPv4)" */
static void format_request(const struct claim_request *request, char *buf, size_t size_bytes)
{
	const char *type = type_names[request->frontend.type];
	const char *protocol = protocol_name(request->protocol);
	char addr[ADDR_TEXT_MAX];

	if (request->frontend.addr.family == ADDR_NONE)
		snprintf(buf, size_bytes, "%s %u/%s (IPv%u)", type, request->frontend.port,
			 protocol, request->family);
	else
		snprintf(buf, size_bytes, "%s %s port %u/%s", type,
			 addr_format(&request->frontend.addr, addr), request->frontend.port,
			 protocol);
}

struct problem_walk {
	void (*fn)(void *arg, const char *service, const char *text);
	void *arg;
};

static void tell(const struct problem_walk *walk, const char *namespace, const char *name,
		 const char *text)
{
	char service[NAME_TEXT_MAX];

	snprintf(service, sizeof(service), "%s/%s", namespace, name);
	walk->fn(walk->arg, service, text);
}

static void tell_conflict(void *arg, const struct claim_owner *loser,
			  const struct claim_request *request, const struct claim_owner *holder,
			  const char *holder_port)
{
	char frontend[ADDR_TEXT_MAX + 64], text[LINE_TEXT_MAX];

	format_request(request, frontend, sizeof(frontend));
	if (loser == holder)
		snprintf(text, sizeof(text), "%s of port \"%s\" belongs to its port \"%s\" already",
			 frontend, request->port_name, holder_port);
	else
		snprintf(text, sizeof(text), "%s belongs to Service %s/%s, which %s", frontend,
			 holder->namespace, holder->name,
			 holder->created_s < loser->created_s ? "is older" : "comes first by name");
	tell(arg, loser->namespace, loser->name, text);
}

void model_for_each_problem(const struct model *model,
			    void (*fn)(void *arg, const char *service, const char *text), void *arg)
{
	struct problem_walk walk = {.fn = fn, .arg = arg};
	const struct service_entry *entry;

	DL_FOREACH2(model->troubled, entry, problem_next) {
		for (size_t i = 0; i < entry->n_problems; i++)
			tell(&walk, entry->key.namespace, entry->key.name, entry->problems[i]);
	}
	claims_for_each_conflict(model->claims, tell_conflict, &walk);
}
