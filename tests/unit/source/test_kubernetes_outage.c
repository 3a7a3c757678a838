/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes source when things go wrong, with a saved state, and with recordings. */
#include "unit/source/kubernetes_world.h"

TestSuite(kubernetes_outage, .init = open_world, .fini = close_world, .timeout = 60);

/* ------------------------------------------------------------------ an outage */

Test(kubernetes_outage, what_went_during_an_outage_is_removed_and_the_rest_stays)
{
	static const struct fake_answer answers[] = {
		{.path = SERVICES,
		 .body = EVENT("ADDED", SERVICE("a", "4", "10.0.0.1"))
			 EVENT("ADDED", SERVICE("b", "5", "10.0.0.2")) LIST_END("7"),
		 .error = -EPIPE},
		SMALL_SLICES,
		SMALL_NODE,
		{.path = SERVICES, .error = -ECONNREFUSED},
		{.path = "/services?limit=1&",
		 .body = "{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"900\"},"
			 "\"items\":[]}"},
		{.path = "/services?watch=1", .body = EVENT("ERROR", GONE)},
		{.path = "/services?watch=1",
		 .body = EVENT("ADDED", SERVICE("b", "5", "10.0.0.2"))
			 EVENT("ADDED", SERVICE("c", "800", "10.0.0.3")) LIST_END("901"),
		 .is_open = true},
	};
	struct kubernetes_watch watch;

	start(answers, ARRAY_SIZE(answers));
	run_until("+service d/c");
	run_until("-service d/a");
	fake_run_ms(&world.api, 20);
	EXPECT_LOG("+service d/a 10.0.0.1\n+service d/b 10.0.0.2\n+slice d/web-1 web 10.1.0.1RS-\n"
		   "node kn1 a\nsynced\n+service d/c 10.0.0.3\n-service d/a\nsynced\n");
	kubernetes_watch(world.kubernetes, KUBERNETES_SERVICES, &watch);
	cr_expect_eq(watch.state, KUBERNETES_WATCHING);
	cr_expect_eq(watch.n_failures, 2);
	cr_expect_eq(watch.n_lists, 2);
	cr_expect_str_eq(watch.resource_version, "901");
}

/* A receiver that cannot take an object gets it again. */
Test(kubernetes_outage, a_failure_of_the_receiver_is_repaired)
{
	static const struct fake_answer answers[] = {
		SMALL_SERVICES,
		SMALL_SLICES,
		SMALL_NODE,
		{.path = "/services?limit=1&",
		 .body = "{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"900\"},"
			 "\"items\":[]}"},
		SMALL_SERVICES,
	};

	world.fail = "+service d/web";
	start(answers, ARRAY_SIZE(answers));
	run_until("synced");
	EXPECT_LOG("+service d/web 10.0.0.1\n+slice d/web-1 web 10.1.0.1RS-\nnode kn1 a\n"
		   "+service d/web 10.0.0.1\nsynced\n");
}

/* ------------------------------------------------------------------ no hope */

/** struct refusal_case - what the list of EndpointSlices ends with, and what is told of it. */
struct refusal_case {
	struct fake_answer answer;
	size_t n_servers;
	const char *text; /* "": none */
};

static const struct refusal_case refusal_cases[] = {
	{{.path = SLICES, .recording = "err-401-badtoken"}, 1, "endpointslices: HTTP 401: "},
	{{.path = SLICES, .recording = "err-403-nobody"}, 1, "endpointslices: HTTP 403: "},
	{{.path = SLICES, .error = -EKEYREJECTED}, 1, "endpointslices: "},
	{{.path = SLICES, .error = -ENOKEY}, 1, "endpointslices: "},
	{{.path = SLICES, .error = -EKEYREJECTED}, 2, ""}, /* another may be trusted */
	{{.path = SLICES, .error = -ECONNREFUSED}, 1, ""},
	{{.path = SLICES, .recording = "err-429"}, 1, ""},
};

static const char *refusal_of(const struct refusal_case *refusal_case)
{
	static char text[512];
	const struct fake_answer answers[] = {SMALL_SERVICES, refusal_case->answer, SMALL_NODE};

	open_world();
	world.api.n_servers = refusal_case->n_servers;
	start(answers, ARRAY_SIZE(answers));
	fake_run_ms(&world.api, 50);
	text[0] = '\0';
	cr_expect_eq(kubernetes_refusal(world.kubernetes, text, sizeof(text)), *text != '\0');
	close_world();
	world = (struct world){};
	return text;
}

Test(kubernetes_refusal, is_what_waiting_does_not_help)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusal_cases); i++) {
		const char *text = refusal_of(&refusal_cases[i]);
		const char *expected = refusal_cases[i].text;

		cr_expect_eq(strncmp(text, expected, strlen(expected)), 0, "case %zu: '%s'", i,
			     text);
		cr_expect_eq(*text == '\0', *expected == '\0', "case %zu: '%s'", i, text);
	}
}

/* Plans are made without zones then. */
Test(kubernetes_refusal, of_the_node_is_none)
{
	static const struct fake_answer answers[] = {
		SMALL_SERVICES,
		SMALL_SLICES,
		{.path = NODES, .recording = "err-403-nobody"},
	};
	char text[64];

	open_world();
	start(answers, ARRAY_SIZE(answers));
	fake_run_ms(&world.api, 50);
	cr_expect_not(kubernetes_refusal(world.kubernetes, text, sizeof(text)));
	close_world();
}

/* ------------------------------------------------------------------ a saved state */

static const char *text(const char *text)
{
	return strings_get(world.pool, text);
}

static struct k8s_service *saved_service(const char *name)
{
	struct k8s_service *service = calloc(1, sizeof(*service));

	cr_assert_not_null(service);
	service->namespace = text("d");
	service->name = text(name);
	service->is_headless = true;
	return service;
}

static struct k8s_slice *saved_slice(const char *name)
{
	struct k8s_slice *slice = calloc(1, sizeof(*slice));

	cr_assert_not_null(slice);
	slice->namespace = text("d");
	slice->name = text(name);
	return slice;
}

static struct k8s_node *saved_node(void)
{
	struct k8s_node *node = calloc(1, sizeof(*node));

	cr_assert_not_null(node);
	node->name = text("kn1");
	return node;
}

Test(kubernetes_outage, a_saved_state_is_served_until_the_first_list)
{
	const struct source_events *restore = kubernetes_restore(world.kubernetes);

	cr_expect_eq(restore->set_node(restore->arg, saved_node()), 0);
	cr_expect_eq(restore->put_service(restore->arg, saved_service("web")), 0);
	cr_expect_eq(restore->put_service(restore->arg, saved_service("old")), 0);
	cr_expect_eq(restore->put_slice(restore->arg, saved_slice("old-1")), 0);
	cr_expect_eq(restore->synced(restore->arg), 0);
	EXPECT_LOG("node kn1 nowhere\n+service d/web headless\n+service d/old headless\n"
		   "+slice d/old-1 none\nsynced\n");
	start(small, ARRAY_SIZE(small));
	run_until("synced");
	EXPECT_LOG("+service d/web 10.0.0.1\n-service d/old\n+slice d/web-1 web 10.1.0.1RS-\n"
		   "-slice d/old-1\nnode kn1 a\nsynced\n");
}

/* The server may have told a part already when the wait for it is over. */
Test(kubernetes_outage, a_saved_state_does_not_overwrite_newer)
{
	static const struct fake_answer answers[] = {
		{.path = SERVICES,
		 .body = EVENT("ADDED", SERVICE("web", "5", "10.0.0.1")),
		 .is_open = true},
		{.path = NODES,
		 .body = EVENT("ADDED", NODE("3", "a")) LIST_END("7"),
		 .is_open = true},
	};
	const struct source_events *restore = kubernetes_restore(world.kubernetes);

	start(answers, ARRAY_SIZE(answers));
	run_until("node kn1 a");
	world.log[0] = '\0';
	cr_expect_eq(restore->set_node(restore->arg, saved_node()), 0);
	cr_expect_eq(restore->put_service(restore->arg, saved_service("web")), 0);
	cr_expect_eq(restore->put_service(restore->arg, saved_service("old")), 0);
	EXPECT_LOG("+service d/old headless\n");
	push(SERVICES, LIST_END("7"));
	push(SLICES, LIST_END("7"));
	run_until("synced");
	EXPECT_LOG("-service d/old\nsynced\n");
}

Test(kubernetes_outage, a_saved_node_is_gone)
{
	static const struct fake_answer answers[] = {
		SMALL_SERVICES,
		SMALL_SLICES,
		{.path = NODES, .body = LIST_END("7"), .is_open = true},
	};
	const struct source_events *restore = kubernetes_restore(world.kubernetes);

	cr_expect_eq(restore->set_node(restore->arg, saved_node()), 0);
	start(answers, ARRAY_SIZE(answers));
	run_until("synced");
	EXPECT_LOG("node kn1 nowhere\n+service d/web 10.0.0.1\n+slice d/web-1 web 10.1.0.1RS-\n"
		   "node none nowhere\nsynced\n");
}

/* ------------------------------------------------------------------ recordings */

/* Pages, with an older server's pages of three; one node of two is ours. */
Test(kubernetes_outage, recorded_lists)
{
	static const struct fake_answer answers[] = {
		{.path = SERVICES, .recording = "watchlist-services", .is_open = true},
		{.path = SLICES, .recording = "watchlist-endpointslices", .is_open = true},
		{.path = NODES, .recording = "watchlist-nobookmark-400"},
		{.path = "/nodes?limit=500", .recording = "list-nodes"},
	};

	world.api.chunk = 1000;
	start(answers, ARRAY_SIZE(answers));
	run_until("synced");
	cr_expect_not_null(strstr(world.log, "+service t/headless headless\n"));
	cr_expect_not_null(strstr(world.log, "-service t/w1\n"));
	cr_expect_not_null(strstr(world.log, "node kn1 "));
	cr_expect_null(strstr(world.log, "node kn2"));
	cr_expect_null(strstr(world.log, "rejected"), "%s", world.log);
	cr_expect_eq(kubernetes_n_rejected(world.kubernetes), 0);
}

#define ROLLOUT "+slice t/clusterip-2lf69 clusterip "

/* The conditions of each endpoint, step by step: in each of them somebody serves. */
Test(kubernetes_outage, a_recorded_rolling_update)
{
	static const struct fake_answer answers[] = {
		{.path = SLICES, .recording = "real-rollout-endpointslices", .is_open = true},
	};

	start(answers, ARRAY_SIZE(answers));
	run_until("RS-");
	fake_run_ms(&world.api, 20);
	EXPECT_LOG(ROLLOUT
		   "10.244.1.114RS- 10.244.0.113RS- 10.244.0.112RS- 10.244.1.115RS-\n" ROLLOUT
		   "10.244.1.114RS- 10.244.0.113RS- 10.244.0.112-ST 10.244.1.115RS-\n" ROLLOUT
		   "10.244.1.114RS- 10.244.0.113RS- 10.244.1.115RS-\n" ROLLOUT
		   "10.244.1.114RS- 10.244.0.113RS- 10.244.1.115RS- 10.244.0.118RS-\n" ROLLOUT
		   "10.244.0.113RS- 10.244.1.115RS- 10.244.0.118RS- 10.244.1.121RS-\n" ROLLOUT
		   "10.244.0.113-ST 10.244.1.115RS- 10.244.0.118RS- 10.244.1.121RS-\n" ROLLOUT
		   "10.244.1.115RS- 10.244.0.118RS- 10.244.1.121RS-\n" ROLLOUT
		   "10.244.1.115RS- 10.244.0.118RS- 10.244.1.121RS- 10.244.0.119RS-\n" ROLLOUT
		   "10.244.1.115-ST 10.244.0.118RS- 10.244.1.121RS- 10.244.0.119RS-\n" ROLLOUT
		   "10.244.0.118RS- 10.244.1.121RS- 10.244.0.119RS-\n" ROLLOUT
		   "10.244.0.118RS- 10.244.1.121RS- 10.244.0.119RS- 10.244.1.122RS-\n");
}
