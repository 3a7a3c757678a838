/* SPDX-License-Identifier: Apache-2.0 */
/* The three resources together: what the receiver is told, and when it is asked to commit. */
#include "unit/source/kubernetes_world.h"

TestSuite(kubernetes, .init = open_world, .fini = close_world, .timeout = 60);

/* ------------------------------------------------------------------ what is told */

Test(kubernetes, asks_for_what_kube_proxy_asks_for)
{
	static const char *const paths[] = {
		"/api/v1/services?watch=1&",
		"&labelSelector=%21service.kubernetes.io%2Fservice-proxy-name&",
		"&fieldSelector=spec.clusterIP%21%3DNone",
		"/apis/discovery.k8s.io/v1/endpointslices?watch=1&",
		"&labelSelector=%21service.kubernetes.io%2Fheadless",
		"/api/v1/nodes?watch=1&",
		"&fieldSelector=metadata.name%3Dkn1",
	};

	cr_assert_eq(kubernetes_start(world.kubernetes), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		fake_open_call(&world.api, paths[i]);
	cr_expect_eq(world.api.n_calls, 3);
}

Test(kubernetes, follows_changes)
{
	start_small();
	push(SERVICES, EVENT("MODIFIED", SERVICE("web", "8", "10.0.0.2")));
	push(SLICES, EVENT("DELETED", SLICE("web-1", "9", "10.1.0.1")));
	push(NODES, EVENT("MODIFIED", NODE("10", "b")));
	run_until("synced");
	EXPECT_LOG("+service d/web 10.0.0.2\n-slice d/web-1\nnode kn1 b\nsynced\n");
	push(NODES, EVENT("DELETED", NODE("11", "b")));
	run_until("synced");
	EXPECT_LOG("node none nowhere\nsynced\n");
}

Test(kubernetes, is_synced_when_all_is_listed)
{
	struct kubernetes_watch watch;

	start(small, 2);
	run_until("+slice");
	fake_run_ms(&world.api, 50);
	cr_expect_eq(world.n_synced, 0);
	cr_expect_not(kubernetes_is_synced(world.kubernetes));
	push(NODES, EVENT("ADDED", NODE("3", "a")));
	fake_run_ms(&world.api, 50);
	cr_expect_eq(world.n_synced, 0);
	push(NODES, LIST_END("7"));
	run_until("synced");
	cr_expect(kubernetes_is_synced(world.kubernetes));
	kubernetes_watch(world.kubernetes, KUBERNETES_SLICES, &watch);
	cr_expect_str_eq(watch.name, "endpointslices");
	cr_expect_eq(watch.n_objects, 1);
	cr_expect_str_eq(watch.last_error, "");
}

/* Not even changes that come between the lists. */
Test(kubernetes, never_syncs_within_the_first_lists)
{
	start(small, 2);
	run_until("+slice");
	push(SERVICES, EVENT("MODIFIED", SERVICE("web", "8", "10.0.0.2")));
	fake_run_ms(&world.api, 300);
	cr_expect_eq(world.n_synced, 0);
}

/* ------------------------------------------------------------------ the node */

Test(kubernetes, a_node_that_is_not_there)
{
	static const struct fake_answer answers[] = {
		SMALL_SERVICES,
		SMALL_SLICES,
		{.path = NODES, .body = LIST_END("7"), .is_open = true},
	};

	start(answers, ARRAY_SIZE(answers));
	run_until("synced");
	EXPECT_LOG("+service d/web 10.0.0.1\n+slice d/web-1 web 10.1.0.1RS-\nnode none nowhere\n"
		   "synced\n");
	cr_expect(kubernetes_is_node_missing(world.kubernetes));
	push(NODES, EVENT("ADDED", NODE("8", "a")));
	run_until("synced");
	EXPECT_LOG("node kn1 a\nsynced\n");
	cr_expect_not(kubernetes_is_node_missing(world.kubernetes));
}

Test(kubernetes, a_node_that_may_not_be_read)
{
	static const struct fake_answer answers[] = {
		SMALL_SERVICES,
		SMALL_SLICES,
		{.path = NODES, .recording = "err-403-nobody"},
		{.path = NODES, .recording = "err-403-nobody"},
	};
	bool is_saved = true;
	const char *error;

	start(answers, ARRAY_SIZE(answers));
	fake_run_ms(&world.api, 1000);
	cr_expect_eq(world.n_synced, 0);
	run_until("synced");
	EXPECT_LOG("+service d/web 10.0.0.1\n+slice d/web-1 web 10.1.0.1RS-\nsynced\n");
	cr_expect(kubernetes_is_synced(world.kubernetes));
	error = kubernetes_node_error(world.kubernetes, &is_saved);
	cr_assert_not_null(error);
	cr_expect_eq(strncmp(error, "HTTP 403: ", 10), 0, "%s", error);
	cr_expect_not(is_saved);
	cr_expect_not(kubernetes_is_node_missing(world.kubernetes));
}

/* ------------------------------------------------------------------ when it commits */

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

Test(kubernetes, one_change_is_committed_at_once)
{
	start_small();
	/* longer than the longest rest after the one before */
	fake_run_ms(&world.api, 300);
	push(SERVICES, EVENT("MODIFIED", SERVICE("web", "8", "10.0.0.2")));
	/* not within the answer, but as the next thing */
	cr_expect_eq(world.n_synced, 1);
	event_base_loop(world.api.base, EVLOOP_NONBLOCK);
	cr_expect_eq(world.n_synced, 2);
}

/* Changes keep coming: commits take a part of the time only. */
Test(kubernetes, changes_that_keep_coming_are_committed_together)
{
	const uint64_t start_us = now_us();
	size_t most;

	world.sync_ms = 5;
	start_small();
	for (int i = 0; i < 100; i++) {
		char body[512];

		snprintf(body, sizeof(body), EVENT("MODIFIED", SERVICE("web", "%d", "10.0.0.2")),
			 100 + i);
		push(SERVICES, body);
		fake_run_ms(&world.api, 2);
	}
	/* at most one in 5 + 25 ms */
	most = (size_t)((now_us() - start_us) / 30000) + 2;
	cr_expect_geq(world.n_synced, 3);
	cr_expect_leq(world.n_synced, most, "%zu > %zu", world.n_synced, most);
}

Test(kubernetes, what_changes_nothing_is_not_committed)
{
	start_small();
	push(SERVICES, EVENT("MODIFIED", SERVICE("web", "5", "10.0.0.1")));
	push(SERVICES, EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"9\"}}"));
	push(SLICES, EVENT("DELETED", SLICE("other", "9", "10.1.0.1")));
	fake_run_ms(&world.api, 20);
	EXPECT_LOG("");
}

/* ------------------------------------------------------------------ rejects */

Test(kubernetes, a_rejected_object_keeps_its_last_state)
{
	static const char where[] = "Service d/web";

	start_small();
	push(SERVICES, EVENT("MODIFIED", BAD_SERVICE("web", "8", "70000")));
	run_until("synced");
	EXPECT_LOG("rejected Service d/web: spec.ports[0].port: 70000 is not a port (1-65535)\n"
		   "synced\n");
	cr_expect_eq(kubernetes_n_rejected(world.kubernetes), 1);
	cr_expect_neq(kubernetes_reject_state(world.kubernetes, where), 0);
	cr_expect_eq(kubernetes_reject_state(world.kubernetes, "Service d/other"), 0);
	/* the same again is no news; another reason is */
	push(SERVICES, EVENT("MODIFIED", BAD_SERVICE("web", "9", "70000")));
	fake_run_ms(&world.api, 20);
	EXPECT_LOG("");
	push(SERVICES, EVENT("MODIFIED", BAD_SERVICE("web", "10", "70001")));
	run_until("synced");
	EXPECT_LOG("rejected Service d/web: spec.ports[0].port: 70001 is not a port (1-65535)\n"
		   "synced\n");
	push(SERVICES, EVENT("MODIFIED", SERVICE("web", "11", "10.0.0.3")));
	run_until("synced");
	EXPECT_LOG("+service d/web 10.0.0.3\nsynced\n");
	cr_expect_eq(kubernetes_n_rejected(world.kubernetes), 0);
	cr_expect_eq(kubernetes_reject_state(world.kubernetes, where), 0);
}

Test(kubernetes, a_rejected_object_that_goes_is_forgotten)
{
	start_small();
	push(SERVICES, EVENT("ADDED", BAD_SERVICE("bad", "8", "0")));
	run_until("synced");
	cr_expect_eq(kubernetes_n_rejected(world.kubernetes), 1);
	world.log[0] = '\0';
	push(SERVICES, EVENT("DELETED", BAD_SERVICE("bad", "9", "0")));
	run_until("synced");
	/* it was never told: so there is nothing to take back */
	EXPECT_LOG("synced\n");
	cr_expect_eq(kubernetes_n_rejected(world.kubernetes), 0);
}
