/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi interface on libevent: its sockets and its timer become events. */
#include <errno.h>
#include <event2/event.h>

#include "http/http_private.h"
#include "util/cleanup.h"

/*
 * Tells all requests that have ended. One at a time: done() may cancel others, whose messages are
 * gone then, and start new ones.
 */
static void drain(struct http_client *client)
{
	const CURLMsg *message;
	int n_left;

	while ((message = curl_multi_info_read(client->multi, &n_left))) {
		struct http_request *request = NULL;
		const CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		/* the message dies with the handle's removal */
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
		http_request_finish(request, code);
	}
}

static void act(struct http_client *client, curl_socket_t fd, int actions)
{
	int n_running;

	curl_multi_socket_action(client->multi, fd, actions, &n_running);
	drain(client);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	act(arg, fd,
	    (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/*
 * libcurl wants to know about @fd. Without memory for the event the request hears nothing and ends
 * by its silence: a failure told here would break the multi handle for good.
 */
static int on_socket_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *fd_arg)
{
	const int wanted =
		(what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

	(void)easy;
	(void)fd_arg;
	if (what == CURL_POLL_REMOVE)
		http_sockets_unwatch(arg, fd);
	else
		http_sockets_watch(arg, fd, (short)wanted, on_ready);
	return 0;
}

/* Without memory for the timer it is time now: libcurl may be called too early, and says again. */
static int on_timer_change(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *client = arg;
	const struct timeval timeout = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000,
	};

	(void)multi;
	if (timeout_ms < 0)
		event_del(client->timer);
	else if (event_add(client->timer, &timeout) < 0)
		event_active(client->timer, EV_TIMEOUT, 0);
	return 0;
}

int http_multi_init(struct http_client *client)
{
	CURLM *multi = curl_multi_init();

	client->multi = multi;
	client->timer = evtimer_new(client->base, on_timer, client);
	if (!multi || !client->timer)
		return -ENOMEM;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_change);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
	return 0;
}
