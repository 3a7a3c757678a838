/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies compared with what kube-proxy 1.36's handlers wrote, byte for byte. */
#include <criterion/criterion.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "http/proxy_health.h"
#include "util/addr.h"
#include "util/cleanup.h"

#define S 1000000000ull
/* 2026-11-21T22:00:00Z */
#define T0 1795298400ull

static struct proxy_time at(uint64_t s, uint64_t ns)
{
	return (struct proxy_time){.realtime_ns = (T0 + s) * S + ns, .monotonic_ns = (s + 5) * S};
}

static void check(const struct proxy_health *health, bool is_livez, struct proxy_time now,
		  int status, const char *expected)
{
	struct evbuffer *body = evbuffer_new();
	_free_ char *text = NULL;
	size_t len;

	cr_assert_eq(proxy_health_write(health, is_livez, now, body), status);
	len = evbuffer_get_length(body);
	text = calloc(1, len + 1);
	evbuffer_remove(body, text, len);
	evbuffer_free(body);
	cr_assert_str_eq(text, expected);
}

Test(proxy_health, is_healthy_while_it_starts_but_its_node_is_unknown)
{
	struct proxy_health health = {};

	proxy_health_pending(&health, ADDR_NONE, at(0, 0));
	check(&health, false, at(100, 120000000), 503,
	      "{\"lastUpdated\":\"0001-01-01T00:00:00Z\","
	      "\"currentTime\":\"2026-11-21T22:01:40.12Z\",\"nodeEligible\":false,\"healthy\":"
	      "true}");
	check(&health, true, at(100, 123456789), 200,
	      "{\"lastUpdated\":\"2026-11-21T22:01:40.123456789Z\","
	      "\"currentTime\":\"2026-11-21T22:01:40.123456789Z\",\"healthy\":true}");
}

Test(proxy_health, a_synced_proxy_says_that_it_is_up_to_date_now)
{
	struct proxy_health health = {.is_node_eligible = true};

	proxy_health_pending(&health, ADDR_NONE, at(0, 0));
	proxy_health_updated(&health, at(1, 500));
	check(&health, false, at(900, 0), 200,
	      "{\"lastUpdated\":\"2026-11-21T22:15:00Z\",\"currentTime\":\"2026-11-21T22:15:00Z\","
	      "\"nodeEligible\":true,\"healthy\":true,\"status\":{"
	      "\"IPv4\":{\"lastUpdated\":\"2026-11-21T22:00:01.0000005Z\",\"healthy\":true},"
	      "\"IPv6\":{\"lastUpdated\":\"2026-11-21T22:00:01.0000005Z\",\"healthy\":true}}}");
}

Test(proxy_health, is_unhealthy_when_the_oldest_change_waits_for_60_s)
{
	struct proxy_health health = {.is_node_eligible = true};

	proxy_health_updated(&health, at(0, 0));
	proxy_health_pending(&health, ADDR_IPV6, at(10, 0));
	proxy_health_pending(&health, ADDR_IPV6, at(69, 0)); /* not the oldest */
	cr_assert(proxy_health_is_healthy(&health, at(69, 0)));
	cr_assert_not(proxy_health_is_healthy(&health, at(70, 0)));
	check(&health, true, at(70, 0), 503,
	      "{\"lastUpdated\":\"2026-11-21T22:00:00Z\",\"currentTime\":\"2026-11-21T22:01:10Z\","
	      "\"healthy\":false,\"status\":{"
	      "\"IPv4\":{\"lastUpdated\":\"2026-11-21T22:00:00Z\",\"healthy\":true},"
	      "\"IPv6\":{\"lastUpdated\":\"2026-11-21T22:00:00Z\",\"healthy\":false}}}");
	proxy_health_updated(&health, at(80, 0));
	cr_assert(proxy_health_is_healthy(&health, at(500, 0)));
}

Test(proxy_health, a_node_that_goes_away_fails_healthz_but_not_livez)
{
	struct proxy_health health = {};

	proxy_health_updated(&health, at(0, 0));
	check(&health, false, at(5, 0), 503,
	      "{\"lastUpdated\":\"2026-11-21T22:00:00Z\",\"currentTime\":\"2026-11-21T22:00:05Z\","
	      "\"nodeEligible\":false,\"healthy\":true,\"status\":{"
	      "\"IPv4\":{\"lastUpdated\":\"2026-11-21T22:00:00Z\",\"healthy\":true},"
	      "\"IPv6\":{\"lastUpdated\":\"2026-11-21T22:00:00Z\",\"healthy\":true}}}");
	check(&health, true, at(5, 0), 200,
	      "{\"lastUpdated\":\"2026-11-21T22:00:05Z\",\"currentTime\":\"2026-11-21T22:00:05Z\","
	      "\"healthy\":true,\"status\":{"
	      "\"IPv4\":{\"lastUpdated\":\"2026-11-21T22:00:00Z\",\"healthy\":true},"
	      "\"IPv6\":{\"lastUpdated\":\"2026-11-21T22:00:00Z\",\"healthy\":true}}}");
}
