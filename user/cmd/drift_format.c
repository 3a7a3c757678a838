/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cmd/drift.h"
#include "cmd/print.h"

/* "default/web:http IPv4 TCP ", as much of it as there is. */
static int format_subject(const struct drift *drift, char *buf, size_t size_bytes)
{
	const struct service_port_key *key = drift->key;

	if (!*drift->service)
		return snprintf(buf, size_bytes, "the ");
	if (!key)
		return snprintf(buf, size_bytes, "%s ", drift->service);
	return snprintf(buf, size_bytes, "%s%s%s %s %s ", drift->service,
			*key->port_name ? ":" : "", key->port_name, print_family_name(key->family),
			protocol_name(key->protocol));
}

const char *drift_format(const struct drift *drift, char *buf, size_t size_bytes)
{
	char subject[DRIFT_TEXT_MAX * 2];
	const char *space = *drift->item ? " " : "";

	format_subject(drift, subject, sizeof(subject));
	if (!drift->in_kernel)
		snprintf(buf, size_bytes, "- %s%s%s%s missing in the kernel", subject, drift->what,
			 space, drift->item);
	else if (!drift->planned)
		snprintf(buf, size_bytes, "+ %s%s%s%s only in the kernel", subject, drift->what,
			 space, drift->item);
	else
		snprintf(buf, size_bytes, "~ %s%s%s%s: '%s' in the kernel, '%s' planned", subject,
			 drift->what, space, drift->item, drift->in_kernel, drift->planned);
	return buf;
}
