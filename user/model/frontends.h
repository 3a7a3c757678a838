/* SPDX-License-Identifier: Apache-2.0 */
/* What a Service asks for in one family, its endpoints aside: rules R1, R4, R5, R12-R17. Pure. */
#ifndef SVCBPF_MODEL_FRONTENDS_H
#define SVCBPF_MODEL_FRONTENDS_H

#include "model/objects.h"
#include "model/state.h"

/** FRONTENDS_NAME_MAX - longest name of a namespace, Service or port that can be served, in bytes.
 */
#define FRONTENDS_NAME_MAX 63

/**
 * frontends_is_served() - whether the Service exists in this family at all (R1, R4, R5).
 * @ret_cluster_ip: its ClusterIP of this family; NULL when not of interest.
 */
bool frontends_is_served(const struct k8s_service *service, uint8_t family,
			 struct addr *ret_cluster_ip);

/** frontends_is_external_local() - externalPolicyLocal of rule R15. */
bool frontends_is_external_local(const struct k8s_service *service);

/** frontends_is_externally_accessible() - ExternallyAccessible of rule R17, in this family. */
bool frontends_is_externally_accessible(const struct k8s_service *service, uint8_t family,
					const struct k8s_service_port *port);

/** frontends_health_check_port() - healthCheckNodePort where it counts (R16), else 0. */
uint16_t frontends_health_check_port(const struct k8s_service *service);

/**
 * frontends_order_ports() - the ports of a Service as kube-proxy keeps them: of two with the same
 * name and protocol the later one only (R7).
 * @ret_ports: pointers into @service->ports, ordered by name and protocol; free(3) it.
 * Return: 0 or -ENOMEM.
 */
int frontends_order_ports(const struct k8s_service *service,
			  const struct k8s_service_port ***ret_ports, size_t *ret_n);

/**
 * frontends_of_port() - the addresses that lead to a port of a served Service.
 * @ret_frontends: in the order of frontend_compare(); each address and port once, with the first
 *	type of SVC_TYPE_* that has it; free(3) it.
 * Return: 0 or -ENOMEM.
 */
int frontends_of_port(const struct k8s_service *service, uint8_t family,
		      const struct k8s_service_port *port, struct frontend **ret_frontends,
		      size_t *ret_n);

/**
 * frontends_source_ranges() - loadBalancerSourceRanges of this family, sorted; none when one of
 * them has prefix length 0 (R14).
 * @ret_ranges: free(3) it.
 * Return: 0 or -ENOMEM.
 */
int frontends_source_ranges(const struct k8s_service *service, uint8_t family,
			    struct cidr **ret_ranges, size_t *ret_n);

#endif
