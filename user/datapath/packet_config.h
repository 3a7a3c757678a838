/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of the packet path say, read into struct svc_packet_config, and its defaults. */
#ifndef SVCBPF_DATAPATH_PACKET_CONFIG_H
#define SVCBPF_DATAPATH_PACKET_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "svcbpf/abi.h"

/** PACKET_CONFIG_MAX_TIMEOUT_S - longest idle time of a flow: a year. */
#define PACKET_CONFIG_MAX_TIMEOUT_S 31536000u

/**
 * packet_config_state_name() - as conntrack(8) has it, in lower case: "tcp-established", "udp" ...
 * @state: SVC_FLOW_*.  Return: static; NULL for no state.
 */
const char *packet_config_state_name(uint8_t state);

/** packet_config_state() - SVC_FLOW_* of @len bytes of @name; 0: there is no such state. */
uint8_t packet_config_state(const char *name, size_t len);

/** packet_config_default_timeout_s() - nf_conntrack's default for a state. */
uint32_t packet_config_default_timeout_s(uint8_t state);

/**
 * packet_config_parse_timeouts() - read "STATE=DURATION,...": those states are set, others stay.
 * @ret_item: the item that is wrong, on failure: a pointer into @text.
 * Return: 0; -EINVAL: no STATE=DURATION; -ENOENT: an unknown state; -ERANGE: shorter than a second
 * or longer than PACKET_CONFIG_MAX_TIMEOUT_S.
 */
int packet_config_parse_timeouts(const char *text, struct svc_packet_config *config,
				 const char **ret_item);

/**
 * packet_config_parse_ports() - read "FIRST-LAST" or "FIRST-LAST,FIRST-LAST".
 * Return: 0; -EINVAL; -ERANGE: a port above 65535, 0, or LAST below FIRST; -EEXIST: they overlap.
 */
int packet_config_parse_ports(const char *text, struct svc_packet_config *config);

/**
 * packet_config_choose_ports() - the default: 1024 to 29999 and 32768 to 65535, without the ports
 * @local_first to @local_last that the host's own sockets are given.
 *
 * The largest piece below 30000 and the largest above 32767 are taken. Return: whether any port was
 * left; without, 1024 to 29999 is taken all the same.
 */
bool packet_config_choose_ports(uint16_t local_first, uint16_t local_last,
				struct svc_packet_config *config);

/** packet_config_complete() - defaults for what is zero. Return: as packet_config_choose_ports(),
 * with net.ipv4.ip_local_port_range; true when the ports are given.
 */
bool packet_config_complete(struct svc_packet_config *config);

#endif
