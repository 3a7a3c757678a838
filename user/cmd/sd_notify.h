/* SPDX-License-Identifier: Apache-2.0 */
/* Telling a service manager how we are, by the protocol of sd_notify(3), without libsystemd. */
#ifndef SVCBPF_CMD_SD_NOTIFY_H
#define SVCBPF_CMD_SD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/** sd_notify_is_wanted() - whether there is a service manager to tell: $NOTIFY_SOCKET is set. */
bool sd_notify_is_wanted(void);

/**
 * sd_notify_send() - send @state ("READY=1") to the socket named by $NOTIFY_SOCKET.
 * Source: sd_notify(3), systemd's documented protocol: one datagram, @ for an abstract socket.
 * Return: 0, also without a service manager; negative errno of sendto(2).
 */
int sd_notify_send(const char *state);

/**
 * sd_notify_watchdog_us() - within which time WATCHDOG=1 must be sent, again and again.
 * Source: sd_watchdog_enabled(3): $WATCHDOG_USEC, when $WATCHDOG_PID is not set or is this process.
 * Return: microseconds, 2 at least; 0: there is no watchdog, or what is set is no such number.
 */
uint64_t sd_notify_watchdog_us(void);

#endif
