/* SPDX-License-Identifier: Apache-2.0 */
/* What each Service uses, held against what svcbpf does differently from kube-proxy. */
#include <netinet/in.h>
#include <string.h>

#include "cmd/migrate.h"
#include "cmd/print.h"
#include "datapath/datapath.h"
#include "svcbpf/abi.h"

#define NAME_MAX_BYTES 512

/** struct used - what the ports of one Service use. @sctp_port, @sctp_target: of the first. */
struct used {
	bool is_internal_local;
	bool has_no_local;
	bool has_source_ranges;
	bool has_affinity;
	bool has_sctp;
	bool is_external_cluster;
	uint16_t sctp_port;
	uint16_t sctp_target;
};

/* ------------------------------------------------------------------ one Service */

static bool has_other_port(const struct backend_list *list, uint16_t port, uint16_t *ret)
{
	for (size_t i = 0; i < list->n_backends; i++)
		if (list->backends[i].port != port) {
			*ret = list->backends[i].port;
			return true;
		}
	return false;
}

static void look_at_frontend(struct used *used, const struct service_port *port,
			     const struct frontend *frontend)
{
	const bool is_inside = frontend->type == SVC_TYPE_CLUSTER_IP;
	uint16_t target = 0;

	used->is_external_cluster |= !is_inside && !port->is_external_local;
	used->has_source_ranges |=
		frontend->type == SVC_TYPE_LOAD_BALANCER && port->n_source_ranges;
	if (port->key.protocol != IPPROTO_SCTP)
		return;
	used->has_sctp = true;
	if (!used->sctp_target && (has_other_port(&port->cluster, frontend->port, &target) ||
				   has_other_port(&port->local, frontend->port, &target))) {
		used->sctp_port = frontend->port;
		used->sctp_target = target;
	}
}

static void look_at_service_port(struct migrate_report *report, struct used *used,
				 const struct service_port *port)
{
	const bool is_ipv6 = port->key.family == ADDR_IPV6;

	report->has_family[is_ipv6 ? 1 : 0] = true;
	used->is_internal_local |= port->is_internal_local;
	used->has_no_local |=
		port->is_internal_local && port->has_endpoints && !port->local.n_backends;
	used->has_affinity |= port->affinity_s != 0;
	for (size_t i = 0; i < port->n_frontends; i++) {
		report->has_node_ports |= port->frontends[i].type == SVC_TYPE_NODE_PORT;
		look_at_frontend(used, port, &port->frontends[i]);
	}
}

static void tell_sctp(struct migrate_report *report, const char *service, const struct used *used)
{
	if (used->sctp_target)
		migrate_add(report, MIGRATE_SERVICES, MIGRATE_BLOCKS, service,
			    "SCTP port %u leads to port %u: svcbpf does not change SCTP ports and "
			    "drops these packets; give both the same",
			    used->sctp_port, used->sctp_target);
	if (used->has_sctp)
		migrate_add(report, MIGRATE_SERVICES, MIGRATE_CHANGE, service,
			    "SCTP: sockets of this node itself are not translated; pods and "
			    "clients outside are");
}

static void tell(struct migrate_report *report, const char *service, const struct used *used)
{
	tell_sctp(report, service, used);
	if (used->is_internal_local)
		migrate_add(report, MIGRATE_SERVICES, MIGRATE_CHANGE, service,
			    "internalTrafficPolicy Local: without a backend on this node%s "
			    "connects are refused at once; kube-proxy lets them time out",
			    used->has_no_local ? ", as now," : "");
	if (used->has_source_ranges)
		migrate_add(report, MIGRATE_SERVICES, MIGRATE_CHANGE, service,
			    "loadBalancerSourceRanges are not held against sockets of this node "
			    "and its pods, only against packets from elsewhere");
	if (used->is_external_cluster)
		migrate_add(report, MIGRATE_SERVICES, MIGRATE_CHANGE, service,
			    "externalTrafficPolicy Cluster: backends on this node see the client's "
			    "own address, not the node's; network policies must let it in");
	if (used->has_affinity)
		migrate_add(report, MIGRATE_SERVICES, MIGRATE_CHANGE, service,
			    "sessionAffinity ClientIP: a pod is one client with both its "
			    "addresses, and begins anew: who is where is not taken over");
}

void migrate_compare(struct migrate_report *report, const struct state *state)
{
	size_t n;
	struct service_port *const *ports = state_ports(state, &n);
	size_t n_frontends = 0;

	report->has_services = true;
	for (size_t i = 0; i < n;) {
		const struct service_port_key *key = &ports[i]->key;
		struct used used = {};
		char service[NAME_MAX_BYTES];

		snprintf(service, sizeof(service), "%s/%s", key->namespace, key->name);
		for (; i < n && strcmp(ports[i]->key.namespace, key->namespace) == 0 &&
		       strcmp(ports[i]->key.name, key->name) == 0;
		     i++) {
			n_frontends += ports[i]->n_frontends;
			look_at_service_port(report, &used, ports[i]);
		}
		if (print_is_service(report->options->service, key->namespace, key->name))
			tell(report, service, &used);
	}
	if (n_frontends > DATAPATH_DEFAULT_MAX_SERVICES)
		migrate_add(report, MIGRATE_SERVICES, MIGRATE_BLOCKS, "all",
			    "%zu frontends: more than run has room for; give it --max-services %zu",
			    n_frontends, n_frontends * 2);
}
