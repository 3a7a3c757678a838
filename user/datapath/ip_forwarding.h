/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this network namespace forwards packets, which the packet path needs it to. */
#ifndef SVCBPF_DATAPATH_IP_FORWARDING_H
#define SVCBPF_DATAPATH_IP_FORWARDING_H

#include <stdint.h>

/**
 * ip_forwarding_off() - read net.ipv4.ip_forward and net.ipv6.conf.all.forwarding.
 *
 * Of the calling thread's network namespace. A setting that cannot be read is not called off.
 * Return: SVC_FORWARDING_OFF* of svcbpf/abi.h.
 */
uint32_t ip_forwarding_off(void);

#endif
