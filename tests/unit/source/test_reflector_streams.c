/* SPDX-License-Identifier: Apache-2.0 */
/* The reflector and what a real API server sends: refusals, streams that end, whole recordings. */
#include "unit/source/reflector_world.h"

TestSuite(reflector_streams, .init = open_world, .fini = close_world, .timeout = 60);

/* ------------------------------------------------------------------ 410 in its shapes */

Test(reflector_streams, gone_as_an_event)
{
	PLAY({.body = LISTED_7 EVENT("DELETED", OBJECT("b", "8")), .error = -EPIPE},
	     {.body = LIST("900", "")}, {.recording = "watch-services-410"},
	     {.body = ADDED("b", "20") LIST_END("30"), .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\nlisted 7\n-d/b\n! the transport failed\n"
		   "? probe fresh\n? watch resourceVersion=8\n"
		   "? list by events\n+d/b 20\n-d/a\nlisted 30\n");
}

Test(reflector_streams, gone_as_an_answer)
{
	PLAY({.body = LISTED_A, .error = -EPIPE}, {.body = LIST("900", "")},
	     {.recording = "list-services-rv-exact-410"},
	     {.body = LIST_END("30"), .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\nlisted 7\n! the transport failed\n"
		   "? probe fresh\n? watch resourceVersion=7\n"
		   "? list by events\n-d/a\nlisted 30\n");
}

/* A list is too slow for the server's memory: not one list after the other without a pause. */
Test(reflector_streams, gone_again_and_again_waits)
{
	PLAY({.status = 422, .body = "no"}, {.body = LIST("7", "")},
	     {.recording = "watch-services-410"}, {.body = LIST("8", "")},
	     {.recording = "watch-services-410"}, {.body = LIST("9", "")}, {.is_open = true});
	EXPECT_LOG("? list by events\n? list limit=500\nlisted 7\n? watch resourceVersion=7\n"
		   "? list limit=500\nlisted 8\n? watch resourceVersion=8\n"
		   "! too old resource version: 1 (832)\n? probe\n? list limit=500\n");
}

/* ------------------------------------------------------------------ refusals */

Test(reflector_streams, refusals_keep_the_state_and_are_tried_again)
{
	PLAY({.recording = "err-403-nobody"}, {.recording = "err-401-badtoken"},
	     {.recording = "list-services-future"}, {.recording = "watch-services-badrv"},
	     {.status = 503, .body = "away"}, {.body = LIST("7", "")},
	     {.body = LISTED_7, .error = -EPIPE}, {.recording = "err-403-nobody"},
	     {.recording = "err-403-nobody"}, {.body = LIST("8", OBJECT("a", "5"))},
	     {.is_open = true});
	EXPECT_LOG(
		"? list by events\n"
		"! HTTP 403: services is forbidden: User \"nobody\" cannot list resource "
		"\"services\" in API group \"\" at the cluster scope\n"
		"? probe\n! HTTP 401: Unauthorized\n"
		"? probe\n! HTTP 504: Timeout: Too large resource version: 99999999, current: 636\n"
		"? probe\n! HTTP 500: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: "
		"parsing \"abc\": invalid syntax\n"
		"? probe\n! HTTP 503: away\n"
		"? probe\n? list by events\n+d/a 5\n+d/b 3\nlisted 7\n! the transport failed\n"
		"? probe fresh\n"
		"! HTTP 403: services is forbidden: User \"nobody\" cannot list resource "
		"\"services\" in API group \"\" at the cluster scope\n"
		"? probe\n"
		"! HTTP 403: services is forbidden: User \"nobody\" cannot list resource "
		"\"services\" in API group \"\" at the cluster scope\n"
		"? probe\n? watch resourceVersion=7\n");
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

Test(reflector_streams, retry_after_is_obeyed)
{
	const uint64_t start_ms = now_ms();

	PLAY({.recording = "err-429"}, {.is_open = true});
	EXPECT_LOG("? list by events\n! HTTP 429: Too many requests, please try again later. \n"
		   "? probe\n");
	cr_expect_geq(now_ms() - start_ms, 1000);
	cr_expect_lt(now_ms() - start_ms, 5000);
}

/* ------------------------------------------------------------------ streams that end */

Test(reflector_streams, a_watch_from_the_future_is_silent)
{
	PLAY({.body = LISTED_A, .error = -EPIPE}, {.body = LIST("8", "")},
	     {.recording = "watch-services-futurerv"}, {.body = LIST("6", "")},
	     {.body = LIST_END("6"), .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\nlisted 7\n! the transport failed\n"
		   "? probe fresh\n? watch resourceVersion=7\n"
		   "! the server ended the watch before its time\n"
		   "? probe\n? list by events\n-d/a\nlisted 6\n");
}

Test(reflector_streams, silence_is_noticed_by_the_client)
{
	const struct api_call *call;

	PLAY({.body = LISTED_7, .is_open = true});
	call = fake_open_call(&world.api, "watch");
	cr_expect_eq(call->params.silence_s, 90);
	cr_expect_geq(call->params.timeout_s, 330);
	cr_expect_leq(call->params.timeout_s, 630);
	cr_expect_eq(strtoul(strstr(call->path, "timeoutSeconds=") + 15, NULL, 10) + 30,
		     call->params.timeout_s);
}

Test(reflector_streams, killed_in_the_middle_of_an_event)
{
	PLAY({.body = LIST_END(
		      "290") "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"lb\",\"nam",
	      .error = -EPIPE},
	     {.body = LIST("290", "")}, {.recording = "watch-services-apiserver-sigkill"},
	     {.body = LIST("299", "")}, {.is_open = true});
	EXPECT_LOG("? list by events\nlisted 290\n! the transport failed\n? probe fresh\n"
		   "? watch resourceVersion=290\n+t/lb 299\n! the transport failed\n"
		   "? probe fresh\n? watch resourceVersion=299\n");
}

Test(reflector_streams, stopped_by_sigterm)
{
	PLAY({.recording = "watch-services-apiserver-sigterm"}, {.error = -ECONNREFUSED},
	     {.body = LIST("900", "")}, {.is_open = true});
	EXPECT_LOG("? list by events\n+t/lb 828\nlisted 844\n"
		   "! the server ended the watch before its time\n? probe\n"
		   "! the transport failed\n? probe fresh\n? watch resourceVersion=884\n");
}

Test(reflector_streams, a_garbage_event_leads_to_a_list)
{
	static const char *const events[] = {
		"garbage\n",
		"{\"type\":\"ADDED\"}\n",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}\n",
		"{\"type\":\"EXPLODED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n",
		EVENT("ADDED", "{\"metadata\":{\"name\":\"z\"},\"x\":y}"),
		"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{},x}}\n",
		"{\"object\":{\"metadata\":{\"name\":\"a\"}}}\n",
		"[]",
		"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		const struct fake_answer answers[] = {
			{.body = LISTED_7, .error = -EPIPE},
			{.body = LIST("8", "")},
			{.body = events[i], .is_open = true},
			{.body = LIST("8", "")},
			{.body = ADDED("a", "5") ADDED("b", "3") LIST_END("9"), .is_open = true},
		};
		const char *start;

		play(answers, ARRAY_SIZE(answers));
		start = strstr(world.log, "? watch resourceVersion=7\n! ");
		cr_expect(start && strstr(start, "? probe\n? list by events\n") &&
				  strstr(start, "listed 9\n"),
			  "%s: %s", events[i], world.log);
		close_world();
		world = (struct world){};
		open_world();
	}
}

/* ------------------------------------------------------------------ recordings */

static void play_recording(const char *recording, const char *list_kind, size_t chunk)
{
	const struct fake_answer answers[] = {{.recording = recording, .is_open = true}};

	resource.list_kind = list_kind;
	world.api.chunk = chunk;
	play(answers, 1);
}

/* Whatever the size of the pieces: the same is told. */
Test(reflector_streams, recordings_in_pieces_of_any_size)
{
	static const char *const recordings[] = {"watchlist-services", "watchlist-endpointslices",
						 "watch-services-labelsel",
						 "real-rollout-endpointslices", "watch-services"};
	static const size_t chunks[] = {1, 7, 2048, 16384};
	_free_ char *whole = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(recordings); i++) {
		play_recording(recordings[i], "ServiceList", 0);
		whole = strdup(world.log);
		cr_assert_gt(strlen(whole), 40);
		for (size_t j = 0; j < ARRAY_SIZE(chunks); j++) {
			close_world();
			world = (struct world){};
			open_world();
			play_recording(recordings[i], "ServiceList", chunks[j]);
			cr_expect_str_eq(world.log, whole, "%s in pieces of %zu", recordings[i],
					 chunks[j]);
		}
		free(TAKE_PTR(whole));
		close_world();
		world = (struct world){};
		open_world();
	}
}

Test(reflector_streams, a_recorded_list_by_events)
{
	struct kubernetes_watch watch;

	play_recording("watchlist-services", "ServiceList", 0);
	cr_expect_not_null(strstr(world.log, "+t/v6 408\nlisted 639\n+t/w1 641\n+t/w1 644\n"
					     "+t/w1 645\n-t/w1\n"),
			   "%s", world.log);
	reflector_watch(world.reflector, &watch);
	cr_expect_str_eq(watch.resource_version, "808");
	cr_expect_eq(watch.n_objects, 20);
}

/* Each step of a rolling update is told, in order. */
Test(reflector_streams, a_recorded_rolling_update)
{
	play_recording("real-rollout-endpointslices", "EndpointSliceList", 0);
	EXPECT_LOG("? list by events\n+t/clusterip-2lf69 1359\nlisted 2130\n"
		   "+t/clusterip-2lf69 2202\n+t/clusterip-2lf69 2231\n+t/clusterip-2lf69 2259\n"
		   "+t/clusterip-2lf69 2313\n+t/clusterip-2lf69 2379\n+t/clusterip-2lf69 2407\n"
		   "+t/clusterip-2lf69 2465\n+t/clusterip-2lf69 2496\n+t/clusterip-2lf69 2539\n"
		   "+t/clusterip-2lf69 2580\n");
}

Test(reflector_streams, recorded_pages)
{
	static const struct fake_answer answers[] = {
		{.recording = "watchlist-nobookmark-400"},
		{.recording = "list-services-limit3"},
		{.path = "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NjMzLCJzdGFydCI6Ii90L2Ns",
		 .recording = "list-services-limit3-page2"},
		{.path = "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NjMzLCJzdGFydCI6Ii90L2V4",
		 .body = LIST("633", "")},
		{.is_open = true},
	};

	world.api.chunk = 3;
	play(answers, ARRAY_SIZE(answers));
	EXPECT_LOG("? list by events\n? list limit=500\n+default/kubernetes 201\n+t/affinity 379\n"
		   "+t/clusterip 288\n? list limit=500 continued\n+t/dual 404\n+t/empty 411\n"
		   "+t/extip 375\n? list limit=500 continued\nlisted 633\n"
		   "? watch resourceVersion=633\n");
}
