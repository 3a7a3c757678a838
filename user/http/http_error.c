/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's errors as errno. */
#include <errno.h>
#include <string.h>

#include "http/http_private.h"
#include "util/cleanup.h"

static const struct {
	CURLcode code;
	int error;
} errors[] = {
	{CURLE_URL_MALFORMAT, -EINVAL},
	{CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH},
	{CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH},
	{CURLE_COULDNT_CONNECT, -ECONNREFUSED},
	{CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
	{CURLE_OUT_OF_MEMORY, -ENOMEM},
	{CURLE_PARTIAL_FILE, -EPIPE},
	{CURLE_GOT_NOTHING, -EPIPE},
	{CURLE_SEND_ERROR, -EPIPE},
	{CURLE_RECV_ERROR, -EPIPE},
	{CURLE_HTTP2, -EPIPE},
	{CURLE_HTTP2_STREAM, -EPIPE},
	{CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED},
	{CURLE_SSL_ISSUER_ERROR, -EKEYREJECTED},
	{CURLE_SSL_CERTPROBLEM, -EINVAL},
	{CURLE_SSL_CACERT_BADFILE, -EINVAL},
};

/*
 * Whether the server has refused our certificate, or that there was none. With TLS 1.3 it says so
 * after the handshake, so it is an error of reading; OpenSSL's text is all there is to tell.
 */
static bool is_our_certificate_refused(const char *text)
{
	const char *alert = strstr(text, "alert");

	return alert && (strstr(alert, "certificate") || strstr(alert, "unknown ca") ||
			 strstr(alert, "access denied") || strstr(alert, "decrypt error"));
}

/* The errors of an established connection that say more than that it is cut. */
static bool is_about_the_network(long error)
{
	return error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == ENETDOWN;
}

int http_error_of(CURL *easy, CURLcode code, const char *text)
{
	long os_error = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		if (os_error > 0)
			return (int)-os_error;
		break;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		if (is_our_certificate_refused(text))
			return -EKEYREJECTED;
		if (is_about_the_network(os_error))
			return (int)-os_error;
		break;
	default:
		break;
	}
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (errors[i].code == code)
			return errors[i].error;
	}
	return -EPROTO;
}
