/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/ip_forwarding.h"

#include <stdbool.h>
#include <stdio.h>

#include "svcbpf/abi.h"
#include "util/cleanup.h"

static bool is_off(const char *path)
{
	_fclose_ FILE *file = fopen(path, "re");

	return file && fgetc(file) == '0';
}

uint32_t ip_forwarding_off(void)
{
	return (is_off("/proc/sys/net/ipv4/ip_forward") ? SVC_FORWARDING_OFF4 : 0) |
	       (is_off("/proc/sys/net/ipv6/conf/all/forwarding") ? SVC_FORWARDING_OFF6 : 0);
}
