/* SPDX-License-Identifier: Apache-2.0 */
/* What the reflector asks of an API server, and what it tells, answer by answer. */
#include "unit/source/reflector_world.h"

TestSuite(reflector, .init = open_world, .fini = close_world, .timeout = 60);

Test(reflector, lists_by_events_and_goes_on_watching)
{
	PLAY({.body = LISTED_7 EVENT("MODIFIED", OBJECT("a", "9"))
		      EVENT("DELETED", OBJECT("b", "10")) BOOKMARK("12"),
	      .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\nlisted 7\n+d/a 9\n-d/b\n");
}

Test(reflector, what_is_listed_ends_with_the_list)
{
	struct kubernetes_watch watch;

	/* the versions of the first events are in no order, and a bookmark before the end is none
	 */
	PLAY({.body = ADDED("a", "5") BOOKMARK("6"), .is_open = true});
	reflector_watch(world.reflector, &watch);
	cr_expect_str_eq(watch.resource_version, "");
	cr_expect_eq(watch.state, KUBERNETES_LISTING);
	cr_expect_not(watch.is_synced);
	cr_expect_eq(fake_push(&world.api, "watch", ADDED("b", "3") LIST_END("7")), 0);
	reflector_watch(world.reflector, &watch);
	cr_expect_str_eq(watch.resource_version, "7");
	cr_expect_eq(watch.state, KUBERNETES_WATCHING);
	cr_expect(watch.is_synced);
	cr_expect_eq(watch.n_objects, 2);
	cr_expect_eq(fake_push(&world.api, "watch", ADDED("c", "8")), 0);
	reflector_watch(world.reflector, &watch);
	cr_expect_str_eq(watch.resource_version, "8");
	cr_expect_eq(watch.n_events, 1);
	cr_expect_neq(watch.contact_ms, 0);
}

/* The connection breaks: the probe shows that the server still has our past, so the watch goes on.
 */
Test(reflector, goes_on_where_a_cut_watch_ended)
{
	PLAY({.body = LISTED_7 BOOKMARK("9"), .error = -EPIPE},
	     {.body = LIST("20", OBJECT("a", "5"))}, {.body = ADDED("c", "11"), .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\nlisted 7\n! the transport failed\n"
		   "? probe fresh\n? watch resourceVersion=9\n+d/c 11\n");
	cr_expect_str_eq(world.told, "");
}

Test(reflector, tells_that_a_watch_is_lost_and_back)
{
	PLAY({.body = LISTED_7, .error = -EPIPE}, {.error = -ECONNREFUSED},
	     {.error = -ECONNREFUSED}, {.body = LIST("20", OBJECT("a", "5"))},
	     {.body = BOOKMARK("21"), .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\nlisted 7\n! the transport failed\n"
		   "? probe fresh\n! the transport failed\n? probe fresh\n! the transport failed\n"
		   "? probe fresh\n? watch resourceVersion=7\n");
	cr_expect_str_eq(world.told,
			 "1 services: the transport failed: the last state stays, trying again\n"
			 "2 services: in step with the API server again\n");
}

/* etcd was wiped: its versions are smaller now. */
Test(reflector, lists_anew_when_the_version_went_back)
{
	PLAY({.body = LISTED_7, .error = -EPIPE}, {.body = LIST("6", OBJECT("a", "5"))},
	     {.body = ADDED("a", "5") ADDED("c", "6") LIST_END("6"), .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\nlisted 7\n! the transport failed\n"
		   "? probe fresh\n? list by events\n+d/c 6\n-d/b\nlisted 6\n");
}

/* It was wiped and has overtaken us, but its objects are others. */
Test(reflector, lists_anew_when_an_old_object_is_another)
{
	PLAY({.body = LISTED_A, .error = -EPIPE},
	     {.body = LIST("99",
			   "{\"metadata\":{\"name\":\"a\",\"namespace\":\"d\",\"uid\":\"new\","
			   "\"resourceVersion\":\"5\"}}")},
	     {.body = LIST_END("99"), .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\nlisted 7\n! the transport failed\n"
		   "? probe fresh\n? list by events\n-d/a\nlisted 99\n");
}

Test(reflector, lists_anew_when_an_old_object_is_not_known)
{
	PLAY({.body = LISTED_A, .error = -EPIPE}, {.body = LIST("99", OBJECT("0", "4"))},
	     {.body = LIST_END("99"), .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\nlisted 7\n! the transport failed\n"
		   "? probe fresh\n? list by events\n-d/a\nlisted 99\n");
}

Test(reflector, a_newer_object_is_left_to_the_watch)
{
	PLAY({.body = LISTED_7, .error = -EPIPE}, {.body = LIST("99", OBJECT("0", "40"))},
	     {.is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\nlisted 7\n! the transport failed\n"
		   "? probe fresh\n? watch resourceVersion=7\n");
}

/* Same version, another UID: told again although the number is the same. */
Test(reflector, a_version_of_another_life_is_another)
{
	PLAY({.body = LISTED_7, .error = -EPIPE}, {.body = LIST("6", "")},
	     {.body = EVENT("ADDED", "{\"metadata\":{\"name\":\"a\",\"namespace\":\"d\","
				     "\"uid\":\"new\",\"resourceVersion\":\"5\"}}") LIST_END("6"),
	      .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\nlisted 7\n! the transport failed\n"
		   "? probe fresh\n? list by events\n+d/a 5\n-d/b\nlisted 6\n");
}

/* ------------------------------------------------------------------ lists that fail */

Test(reflector, a_list_that_is_cut_removes_nothing)
{
	PLAY({.body = LISTED_7 EVENT("ERROR", STATUS("410", "too old"))},
	     {.body = ADDED("a", "5"), .error = -EPIPE}, {.body = LIST("20", "")},
	     {.body = ADDED("a", "5") ADDED("c", "19") LIST_END("20"), .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\nlisted 7\n"
		   "? list by events\n! the transport failed\n"
		   "? probe fresh\n? list by events\n+d/c 19\n-d/b\nlisted 20\n");
}

Test(reflector, pages_that_stop_remove_nothing)
{
	PLAY({.status = 422, .body = STATUS("422", "no")},
	     {.body = LIST("7", OBJECT("a", "5") "," OBJECT("b", "3"))},
	     {.body = EVENT("ERROR", STATUS("410", "too old"))},
	     {.body = PAGE("9", OBJECT("a", "5"))}, {.error = -ETIMEDOUT}, {.body = LIST("9", "")},
	     {.body = PAGE("9", OBJECT("a", "5"))}, {.body = LIST("9", OBJECT("c", "8"))},
	     {.is_open = true});
	EXPECT_LOG("? list by events\n? list limit=500\n+d/a 5\n+d/b 3\nlisted 7\n"
		   "? watch resourceVersion=7\n? list limit=500\n"
		   "? list limit=500 continued\n! the transport failed\n"
		   "? probe fresh\n? list limit=500\n? list limit=500 continued\n"
		   "+d/c 8\n-d/b\nlisted 9\n? watch resourceVersion=9\n");
}

Test(reflector, a_continue_token_is_encoded)
{
	PLAY({.status = 400, .body = "no"}, {.status = 400, .body = "no"}, {.body = PAGE("9", "")},
	     {.path = "continue=a%2Bb%3D", .body = LIST("9", "")},
	     {.path = "labelSelector=%21service.kubernetes.io%2Fservice-proxy-name",
	      .is_open = true});
	EXPECT_LOG("? list by events\n? list by events all\n? list limit=500 all\n"
		   "? list limit=500 continued all\nlisted 9\n? watch resourceVersion=9 all\n");
}

Test(reflector, an_expired_token_leads_to_a_list_in_one_piece)
{
	PLAY({.recording = "watchlist-nobookmark-400"}, {.recording = "list-services-limit3"},
	     {.recording = "list-services-expired-continue"}, {.recording = "list-services"},
	     {.is_open = true});
	cr_expect_not_null(strstr(world.log,
				  "? list by events\n? list limit=500\n+default/kubernetes "
				  "201\n+t/affinity 379\n+t/clusterip 288\n"
				  "? list limit=500 continued\n? list limit=0\n"
				  "+t/dual 404\n"),
			   "%s", world.log);
	cr_expect_not_null(strstr(world.log, "listed 633\n? watch resourceVersion=633\n"));
}

Test(reflector, a_bad_token_is_not_used_again)
{
	PLAY({.recording = "watchlist-nobookmark-400"}, {.recording = "list-services-limit3"},
	     {.recording = "list-services-badcontinue"}, {.is_open = true});
	cr_expect_not_null(strstr(world.log, "? list limit=500 continued\n? list limit=500 all\n"),
			   "%s", world.log);
}

Test(reflector, an_answer_that_is_no_such_list_removes_nothing)
{
	static const char *const bodies[] = {
		"{}",
		"",
		"<html>please log in</html>",
		"{\"kind\":\"Status\",\"metadata\":{\"resourceVersion\":\"9\"}}",
		"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[]}",
		"{\"kind\":\"ServiceList\",\"metadata\":{},\"items\":[]}",
		"{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"9\"}}",
		"{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[",
		"{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[]}",
		LIST("9", "{}"),
		LIST("9", "{\"metadata\":{}}"),
		LIST("9", "{\"metadata\":{\"name\":\"a\"},x}"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		const struct fake_answer answers[] = {
			{.status = 422, .body = "no"},
			{.body = LIST("7", OBJECT("a", "5"))},
			{.body = EVENT("ERROR", STATUS("410", "too old"))},
			{.body = bodies[i]},
		};

		world.log[0] = '\0';
		world.api.n_calls = 0;
		world.api.n_answered = 0;
		play(answers, ARRAY_SIZE(answers));
		cr_expect_null(strstr(world.log, "-d/a"), "%s: %s", bodies[i], world.log);
		cr_expect_not_null(strstr(world.log, "! "), "%s: %s", bodies[i], world.log);
		close_world();
		world = (struct world){};
		open_world();
	}
}

/* ------------------------------------------------------------------ servers without WatchList */

Test(reflector, etcd_3_4_cannot_list_by_events)
{
	PLAY({.recording = "watchlist-services-old-etcd-3.4.23"},
	     {.body = LIST("7", OBJECT("a", "5"))}, {.body = EVENT("ERROR", STATUS("410", "old"))},
	     {.body = LIST("8", OBJECT("a", "5"))}, {.is_open = true});
	EXPECT_LOG("? list by events\n? list limit=500\n+d/a 5\nlisted 7\n"
		   "? watch resourceVersion=7\n? list limit=500\nlisted 8\n"
		   "? watch resourceVersion=8\n");
	cr_expect_str_eq(world.told, "");
}

/* One that does not know the parameter sends a watch, without an end of the list. */
Test(reflector, a_list_by_events_without_end_is_given_up)
{
	PLAY({.body = ADDED("a", "5"), .is_open = true}, {.body = LIST("7", OBJECT("a", "5"))},
	     {.body = ADDED("a", "5"), .is_open = true}, {.body = LIST("7", OBJECT("a", "5"))},
	     {.body = LIST("7", OBJECT("a", "5"))}, {.is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n! the list has no end\n? probe fresh\n"
		   "? list by events\n! the list has no end\n? probe fresh\n"
		   "? list limit=500\nlisted 7\n? watch resourceVersion=7\n");
}

Test(reflector, a_list_by_events_that_ends_too_early_is_given_up)
{
	PLAY({.recording = "watch-services-rv0"}, {.body = LIST("700", "")},
	     {.body = ADDED("a", "5")}, {.body = LIST("7", "")}, {.is_open = true});
	cr_expect_not_null(strstr(world.log, "! the server ended the list before its end\n? probe\n"
					     "? list by events\n+d/a 5\n? list limit=500\n"),
			   "%s", world.log);
}

Test(reflector, without_the_field_selector)
{
	PLAY({.status = 400, .body = STATUS("400", "field label not supported")},
	     {.body = LISTED_7, .error = -EPIPE}, {.body = LIST("8", "")}, {.is_open = true});
	EXPECT_LOG("? list by events\n? list by events all\n+d/a 5\n+d/b 3\nlisted 7\n"
		   "! the transport failed\n? probe all fresh\n? watch resourceVersion=7 all\n");
}

/* ------------------------------------------------------------------ the receiver */

Test(reflector, an_object_that_is_refused_is_not_told_again)
{
	world.refuse = "b";
	PLAY({.body = LISTED_7 EVENT("ERROR", STATUS("410", "old"))},
	     {.body = ADDED("a", "5") ADDED("b", "3") LIST_END("8")
		      EVENT("DELETED", OBJECT("b", "9")),
	      .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n~b\nlisted 7\n? list by events\nlisted 8\n"
		   "-d/b untold\n");
}

Test(reflector, what_the_receiver_could_not_take_is_told_again)
{
	world.fail = "b";
	PLAY({.body = LISTED_7}, {.body = LIST("8", "")}, {.body = LISTED_7, .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n! Cannot allocate memory\n? probe\n"
		   "? list by events\n+d/b 3\nlisted 7\n");
}

Test(reflector, a_saved_state_is_compared_with_the_first_list)
{
	cr_assert_eq(reflector_remember(world.reflector, "d", "a"), 0);
	cr_assert_eq(reflector_remember(world.reflector, "d", "gone"), 0);
	cr_assert_eq(reflector_remember(world.reflector, "d", "forgotten"), 0);
	reflector_forget(world.reflector, "d", "forgotten");
	reflector_forget(world.reflector, "d", "never-there");
	PLAY({.body = LISTED_7, .is_open = true});
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\n-d/gone\nlisted 7\n");
}

Test(reflector, a_relist_at_will_tells_differences_only)
{
	static const struct fake_answer answers[] = {
		{.body = LISTED_7, .is_open = true},
		{.body = ADDED("a", "5") ADDED("b", "8") LIST_END("9"), .is_open = true},
	};

	play(answers, 1);
	world.api.n_answers = 2;
	world.wanted_calls = 2;
	reflector_start(world.reflector);
	fake_run(&world.api, has_called, NULL);
	event_base_loop(world.api.base, EVLOOP_NONBLOCK);
	EXPECT_LOG("? list by events\n+d/a 5\n+d/b 3\nlisted 7\n? list by events fresh\n+d/b 8\n"
		   "listed 9\n");
}
