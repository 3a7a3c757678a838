/* SPDX-License-Identifier: Apache-2.0 */
#include "http/proxy_health.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <time.h>

#include "util/addr.h"
#include "util/clock.h"

#define NS_PER_S      1000000000ull
#define TIME_TEXT_MAX 64

struct proxy_time proxy_health_now(void)
{
	return (struct proxy_time){
		.realtime_ns = clock_now_ns(CLOCK_REALTIME),
		.monotonic_ns = clock_now_ns(CLOCK_MONOTONIC),
	};
}

/* ------------------------------------------------------------------ state */

static void pend(struct proxy_family_health *family, struct proxy_time now)
{
	if (!family->pending_ns)
		family->pending_ns = now.monotonic_ns;
}

void proxy_health_pending(struct proxy_health *health, uint8_t family, struct proxy_time now)
{
	if (family != ADDR_IPV6)
		pend(&health->ipv4, now);
	if (family != ADDR_IPV4)
		pend(&health->ipv6, now);
}

void proxy_health_updated(struct proxy_health *health, struct proxy_time now)
{
	const struct proxy_family_health updated = {.updated_ns = now.realtime_ns};

	health->ipv4 = updated;
	health->ipv6 = updated;
}

/* Before the first update a family is healthy whatever waits: that is what starting looks like. */
static bool is_family_healthy(const struct proxy_family_health *family, struct proxy_time now)
{
	return !family->updated_ns || !family->pending_ns ||
	       now.monotonic_ns - family->pending_ns < PROXY_HEALTH_TIMEOUT_NS;
}

bool proxy_health_is_healthy(const struct proxy_health *health, struct proxy_time now)
{
	return is_family_healthy(&health->ipv4, now) && is_family_healthy(&health->ipv6, now);
}

/* ------------------------------------------------------------------ text */

/* RFC3339Nano as Go writes it: no zeros at the end of the fraction, no fraction of zero. */
static const char *format_time(uint64_t ns, char buf[TIME_TEXT_MAX])
{
	const time_t s = (time_t)(ns / NS_PER_S);
	uint64_t fraction = ns % NS_PER_S;
	int n_digits = 9;
	struct tm tm;
	size_t len;

	if (!ns)
		return "0001-01-01T00:00:00Z"; /* Go's zero time */
	gmtime_r(&s, &tm);
	len = strftime(buf, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	for (; fraction && fraction % 10 == 0; n_digits--)
		fraction /= 10;
	if (fraction)
		snprintf(buf + len, TIME_TEXT_MAX - len, ".%0*lluZ", n_digits,
			 (unsigned long long)fraction);
	else
		snprintf(buf + len, TIME_TEXT_MAX - len, "Z");
	return buf;
}

static const char *bool_text(bool value)
{
	return value ? "true" : "false";
}

static void write_family(struct evbuffer *body, const char *before, const char *name,
			 const struct proxy_family_health *family, struct proxy_time now)
{
	char buf[TIME_TEXT_MAX];

	evbuffer_add_printf(body, "%s\"%s\":{\"lastUpdated\":\"%s\",\"healthy\":%s}", before, name,
			    format_time(family->updated_ns, buf),
			    bool_text(is_family_healthy(family, now)));
}

static void write_families(struct evbuffer *body, const struct proxy_health *health,
			   struct proxy_time now)
{
	const bool has_ipv4 = health->ipv4.updated_ns != 0;
	const bool has_ipv6 = health->ipv6.updated_ns != 0;

	if (!has_ipv4 && !has_ipv6)
		return;
	evbuffer_add_printf(body, ",\"status\":{");
	if (has_ipv4)
		write_family(body, "", "IPv4", &health->ipv4, now);
	if (has_ipv6)
		write_family(body, has_ipv4 ? "," : "", "IPv6", &health->ipv6, now);
	evbuffer_add_printf(body, "}");
}

static uint64_t newest(const struct proxy_health *health)
{
	return health->ipv4.updated_ns > health->ipv6.updated_ns ? health->ipv4.updated_ns
								 : health->ipv6.updated_ns;
}

int proxy_health_write(const struct proxy_health *health, bool is_livez, struct proxy_time now,
		       struct evbuffer *body)
{
	const bool is_healthy = proxy_health_is_healthy(health, now);
	const bool is_ok = is_healthy && (is_livez || health->is_node_eligible);
	char updated[TIME_TEXT_MAX];
	char current[TIME_TEXT_MAX];

	evbuffer_add_printf(body, "{\"lastUpdated\":\"%s\",\"currentTime\":\"%s\"",
			    format_time(is_ok ? now.realtime_ns : newest(health), updated),
			    format_time(now.realtime_ns, current));
	if (!is_livez)
		evbuffer_add_printf(body, ",\"nodeEligible\":%s",
				    bool_text(health->is_node_eligible));
	evbuffer_add_printf(body, ",\"healthy\":%s", bool_text(is_healthy));
	write_families(body, health, now);
	evbuffer_add_printf(body, "}");
	return is_ok ? HTTP_OK : HTTP_SERVUNAVAIL;
}
