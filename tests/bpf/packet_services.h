/* SPDX-License-Identifier: Apache-2.0 */
/* The Services of packet_world.h, and the addresses of who talks to them. */
#ifndef SVCBPF_TESTS_PACKET_SERVICES_H
#define SVCBPF_TESTS_PACKET_SERVICES_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdarg.h>
#include <unistd.h>

#include "datapath/devices.h"
#include "datapath/object.h"
#include "datapath/packet_config.h"
#include "packet_build.h"
#include "svcbpf/counters.h"
#include "unit/datapath/fixture.h"
#include "util/addr.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/endian.h"

#define MAC "02:00:00:00:00:02" /* where packet_build() sends its frames */

/* Both hooks of an Ethernet device, and one of a device without a link layer: world_programs. */
enum world_hook { INGRESS, EGRESS, INGRESS_BARE };

/* In arrays of two: the first is for IPv4. */
#define PER_FAMILY(v4, v6)                                                                         \
	{                                                                                          \
		v4, v6                                                                             \
	}

static const char *const node_at[2] = PER_FAMILY("192.0.2.10", "2001:db8:2::10");
static const char *const client_at[2] = PER_FAMILY("198.51.100.7", "2001:db8:99::7");
static const char *const stranger_at[2] = PER_FAMILY("198.18.0.7", "2001:db8:66::7");
static const char *const pod_at[2] = PER_FAMILY("10.244.1.7", "fd00:244:1::7");
static const char *const router_at[2] = PER_FAMILY("192.0.2.1", "2001:db8:2::1");
static const char *const local_at[2] = PER_FAMILY("10.244.1.5", "fd00:244:1::5");
static const char *const remote_at[2] = PER_FAMILY("10.244.2.5", "fd00:244:2::5");
static const char *const small_at[2] = PER_FAMILY("10.244.3.5", "fd00:244:3::5");
static const char *const lost_at[2] = PER_FAMILY("10.244.4.5", "fd00:244:4::5");

/* One more than the ports of the frontends but NodePorts, and of backends of all but SCTP. */
#define FRONTEND_PORT 80
#define BACKEND_PORT  8080
#define SMALL_MTU     1300u

static inline void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void shell(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	cr_assert_eq(system(command), 0, "%s", command);
}

/* ------------------------------------------------------------------ Services */

/* Each for every protocol and both families, with a frontend of every type. */
enum world_service {
	LOCAL = 1,    /* a backend on this node */
	REMOTE,	      /* one on another node */
	NONE,	      /* no endpoints */
	POLICY_DROP,  /* externalTrafficPolicy Local, and a backend on another node only */
	POLICY_LOCAL, /* the same, and two: one is here */
	RANGES,	      /* loadBalancerSourceRanges has the client's network, and no others */
	AFFINITY,     /* ClientIP, twenty backends on other nodes */
	MAGLEV,	      /* the same, by a Maglev table */
	SMALL,	      /* the way to the backend has a small MTU */
	LOST,	      /* there is no way to the backend */
	NODE,	      /* the backend is this node itself */
	N_SERVICES
};

static const uint8_t world_protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
#define N_PROTOCOLS ARRAY_SIZE(world_protocols)

static inline struct addr world_addr(const char *text)
{
	struct addr addr;

	cr_assert_eq(addr_parse(text, &addr), 0, "%s", text);
	return addr;
}

/** world_vip() - the address of a frontend; static. @type: SVC_TYPE_*. */
static inline const char *world_vip(enum world_service service, uint8_t type, int is_ipv6)
{
	static const char *const prefixes[][2] = {
		[SVC_TYPE_CLUSTER_IP] = {"10.96.0.", "fd00:96::"},
		[SVC_TYPE_EXTERNAL_IP] = {"203.0.113.", "2001:db8:113::"},
		[SVC_TYPE_LOAD_BALANCER] = {"203.0.113.", "2001:db8:113::"},
	};
	static char texts[N_SERVICES][SVC_TYPE_NODE_PORT][2][INET6_ADDRSTRLEN];
	char *text = texts[service][type % SVC_TYPE_NODE_PORT][is_ipv6];

	if (type == SVC_TYPE_NODE_PORT)
		return node_at[is_ipv6];
	snprintf(text, INET6_ADDRSTRLEN, "%s%d", prefixes[type][is_ipv6],
		 (type == SVC_TYPE_LOAD_BALANCER ? 100 : 0) + (int)service);
	return text;
}

/** world_port() - the port of a frontend. */
static inline uint16_t world_port(enum world_service service, uint8_t type)
{
	return (uint16_t)(type == SVC_TYPE_NODE_PORT ? 30000 + service : FRONTEND_PORT);
}

/** world_backend_port() - SCTP's ports stay as they are. */
static inline uint16_t world_backend_port(uint8_t protocol)
{
	return protocol == IPPROTO_SCTP ? FRONTEND_PORT : BACKEND_PORT;
}

static inline void world_add_backend(struct sample *sample, bool is_local_list, const char *addr,
				     bool is_local)
{
	struct backend_list *list = is_local_list ? &sample->port.local : &sample->port.cluster;

	list->backends[list->n_backends++] = (struct backend){
		.addr = world_addr(addr),
		.port = world_backend_port(sample->port.key.protocol),
		.flags = is_local ? SVC_BACKEND_F_LOCAL : 0,
	};
	sample->port.has_endpoints = true;
}

/* Twenty of them, 10.244.2.101 and on, or as many as a change leaves. */
static inline void world_add_many(struct sample *sample, int is_ipv6, unsigned int n)
{
	char text[INET6_ADDRSTRLEN];
	unsigned int i;

	for (i = 1; i <= n; i++) {
		snprintf(text, sizeof(text), "%s%u", is_ipv6 ? "fd00:244:2::" : "10.244.2.",
			 100 + i);
		world_add_backend(sample, false, text, false);
	}
}

static inline void world_fill(struct sample *sample, enum world_service service, int is_ipv6)
{
	if (service == LOCAL)
		world_add_backend(sample, false, local_at[is_ipv6], true);
	else if (service == REMOTE || service == RANGES || service == POLICY_DROP)
		world_add_backend(sample, false, remote_at[is_ipv6], false);
	else if (service == SMALL)
		world_add_backend(sample, false, small_at[is_ipv6], false);
	else if (service == LOST)
		world_add_backend(sample, false, lost_at[is_ipv6], false);
	else if (service == NODE)
		world_add_backend(sample, false, node_at[is_ipv6], true);
	else if (service == AFFINITY || service == MAGLEV)
		world_add_many(sample, is_ipv6, 20);
	if (service == POLICY_LOCAL) {
		world_add_backend(sample, false, local_at[is_ipv6], true);
		world_add_backend(sample, false, remote_at[is_ipv6], false);
		world_add_backend(sample, true, local_at[is_ipv6], true);
	}
	sample->port.is_external_local = service == POLICY_DROP || service == POLICY_LOCAL;
	sample->port.is_maglev = service == MAGLEV;
	sample->port.affinity_s = service == AFFINITY ? 1000 : 0;
	if (sample->port.key.protocol == IPPROTO_UDP) {
		sample->port.serving.n_backends = sample->port.cluster.n_backends;
		memcpy(sample->backends[2], sample->backends[0], sizeof(sample->backends[0]));
	}
	if (service == RANGES) {
		cr_assert_eq(cidr_parse(is_ipv6 ? "2001:db8:99::/64" : "198.51.100.0/24",
					&sample->ranges[0]),
			     0);
		sample->port.n_source_ranges = 1;
	}
}

/** world_sample() - a Service of the world, to be changed and put again. */
static inline void world_sample(struct sample *sample, enum world_service service, uint8_t protocol,
				int is_ipv6)
{
	char name[16];
	uint8_t type;

	snprintf(name, sizeof(name), "s%d", (int)service);
	sample_init(sample, name, is_ipv6 ? ADDR_IPV6 : ADDR_IPV4, protocol);
	for (type = SVC_TYPE_CLUSTER_IP; type <= SVC_TYPE_NODE_PORT; type++)
		sample_add_frontend(sample, type,
				    type == SVC_TYPE_NODE_PORT
					    ? (struct addr){}
					    : world_addr(world_vip(service, type, is_ipv6)),
				    world_port(service, type));
	world_fill(sample, service, is_ipv6);
}

#endif
