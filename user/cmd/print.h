/* SPDX-License-Identifier: Apache-2.0 */
/* The one printer of plan and dump: a struct state as table, JSON or YAML (cli.md's shape). */
#ifndef SVCBPF_CMD_PRINT_H
#define SVCBPF_CMD_PRINT_H

#include <stdio.h>

#include "cmd/print_doc.h"
#include "model/state.h"

/** PRINT_ENDPOINT_MAX - bytes that hold "[address]:port" of print_endpoint(), NUL included. */
#define PRINT_ENDPOINT_MAX (ADDR_TEXT_MAX + 10)

/** print_endpoint() - "10.0.0.1:80", "[fd00::1]:80", without an address "*:80". Return: @buf. */
const char *print_endpoint(const struct addr *addr, uint16_t port, char buf[PRINT_ENDPOINT_MAX]);

/** print_family_name() - "IPv4", "IPv6". @family: ADDR_*. */
const char *print_family_name(uint8_t family);

/** print_type_name() - "ClusterIP", "NodePort" and so on. @type: SVC_TYPE_*. */
const char *print_type_name(uint8_t type);

/**
 * print_is_service() - whether a service port belongs to the Service asked for.
 * @service: "namespace/name"; NULL: all do.
 */
bool print_is_service(const char *service, const char *namespace, const char *name);

/**
 * print_backend_json() - {"address", "port", "local", "state"}.
 * Return: owned by the caller; NULL without memory.
 */
cJSON *print_backend_json(const struct backend *backend);

/**
 * print_frontend_json() - a frontend with its backends, as cli.md shows it.
 * @frontend: one of @port's.
 * Return: owned by the caller; NULL without memory.
 */
cJSON *print_frontend_json(const struct service_port *port, const struct frontend *frontend);

/**
 * print_frontends() - add the list "frontends" to a document.
 * @service: "namespace/name" to show only that Service, or NULL.
 * @title: heading of the table, or NULL.
 *
 * Sorted by address, port, protocol (NodePorts, whose address is null, come first); backends by
 * address, port. Made and written one by one.
 * Return: 0; -ENOMEM.
 */
int print_frontends(struct print_doc *doc, const struct state *state, const char *service,
		    const char *title);

/** print_health_checks() - add the list "healthChecks"; otherwise as print_frontends(). */
int print_health_checks(struct print_doc *doc, const struct state *state, const char *service);

/**
 * print_state() - write @state to @out.
 * @service: "namespace/name" to show only that Service, or NULL.
 *
 * JSON and YAML: documented in svcbpf(8).
 * Return: 0; -ENOMEM; -EIO when @out cannot be written.
 */
int print_state(FILE *out, const struct state *state, enum print_format format,
		const char *service);

#endif
