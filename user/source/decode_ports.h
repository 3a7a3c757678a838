/* SPDX-License-Identifier: Apache-2.0 */
/* spec.ports of a Service. */
#ifndef SVCBPF_SOURCE_DECODE_PORTS_H
#define SVCBPF_SOURCE_DECODE_PORTS_H

#include "source/field.h"

/**
 * decode_ports() - read spec.ports and refuse what would clash.
 * @spec: the Service's spec; its type and cluster IP are decoded already.
 * Return: 0; -EINVAL with the error of @spec filled in; -ENOMEM.
 */
int decode_ports(const struct field *spec, struct strings *pool, struct k8s_service *service);

#endif
