/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/api_address.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/addr.h"

#define HOST "KUBERNETES_SERVICE_HOST"
#define SET_IT                                                                                     \
	"set " HOST " to the API server's own address (apiServerHost of the ConfigMap svcbpf, or " \
	"apiServer.host of the Helm chart)"

/* KUBERNETES_PORT is "tcp://10.96.0.1:443", with brackets around an IPv6 address. */
static bool is_cluster_ip(const char *host)
{
	const char *service = getenv("KUBERNETES_PORT");
	char prefix[ADDR_TEXT_MAX + 16];
	struct addr addr;

	if (!service || addr_parse(host, &addr) < 0)
		return false;
	snprintf(prefix, sizeof(prefix), strchr(host, ':') ? "tcp://[%s]:" : "tcp://%s:", host);
	return strncmp(service, prefix, strlen(prefix)) == 0;
}

int api_address_check(const struct options *options, char ret_error[API_ADDRESS_ERROR_MAX])
{
	const char *host = getenv(HOST);

	if (options->n_manifests || options->kubeconfig || options->n_servers ||
	    options->is_api_through_service || !host)
		return 0;
	if (!*host) {
		snprintf(ret_error, API_ADDRESS_ERROR_MAX, HOST " is empty: " SET_IT);
		return -EINVAL;
	}
	if (is_cluster_ip(host)) {
		snprintf(ret_error, API_ADDRESS_ERROR_MAX,
			 HOST " %s is the ClusterIP of the Service \"kubernetes\", which works no "
			      "longer than kube-proxy or this agent does: " SET_IT
			      "; --api-via-service takes it all the same",
			 host);
		return -EINVAL;
	}
	return 0;
}
