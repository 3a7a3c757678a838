/* SPDX-License-Identifier: Apache-2.0 */
/* Telling a service manager how we are, by the protocol of sd_notify(3), without libsystemd. */
#ifndef SVCBPF_CMD_SD_NOTIFY_H
#define SVCBPF_CMD_SD_NOTIFY_H

/**
 * sd_notify_send() - send @state ("READY=1") to the socket named by $NOTIFY_SOCKET.
 * Source: sd_notify(3), systemd's documented protocol: one datagram, @ for an abstract socket.
 * Return: 0, also without a service manager; negative errno of sendto(2).
 */
int sd_notify_send(const char *state);

#endif
