/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod is told about the API server: its own address, the Service's, or nothing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/api_address.h"
#include "util/cleanup.h"

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* Return: as api_address_check(); @host, @service: NULL: not in the environment. */
static int check(const char *host, const char *service, const struct options *options,
		 char error[API_ADDRESS_ERROR_MAX])
{
	set("KUBERNETES_SERVICE_HOST", host);
	set("KUBERNETES_SERVICE_PORT", "443");
	set("KUBERNETES_PORT", service);
	error[0] = '\0';
	return api_address_check(options, error);
}

Test(api_address, an_address_of_the_service_is_refused)
{
	static const struct {
		const char *host;
		const char *service;
		bool is_refused;
	} cases[] = {
		{"10.96.0.1", "tcp://10.96.0.1:443", true},
		{"fd00:96::1", "tcp://[fd00:96::1]:443", true},
		{"172.18.0.1", "tcp://10.96.0.1:443", false},
		{"10.96.0.1", "tcp://10.96.0.10:443", false},
		{"10.96.0.1", NULL, false},
		{"api.example.org", "tcp://10.96.0.1:443", false},
		/* a provider's webhook has set both */
		{"api.example.org", "tcp://api.example.org:443", false},
		{NULL, "tcp://10.96.0.1:443", false},
	};
	const struct options options = {};
	char error[API_ADDRESS_ERROR_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = check(cases[i].host, cases[i].service, &options, error);

		cr_expect_eq(r, cases[i].is_refused ? -EINVAL : 0, "case %zu: %d %s", i, r, error);
		if (cases[i].is_refused)
			cr_expect(strstr(error, cases[i].host) && strstr(error, "apiServerHost"),
				  "%s", error);
	}
}

Test(api_address, an_empty_one_is_refused)
{
	const struct options options = {};
	char error[API_ADDRESS_ERROR_MAX];

	cr_assert_eq(check("", "tcp://10.96.0.1:443", &options, error), -EINVAL);
	cr_assert(strstr(error, "is empty"), "%s", error);
}

static void expect_taken(const struct options *options)
{
	char error[API_ADDRESS_ERROR_MAX];

	cr_expect_eq(check("10.96.0.1", "tcp://10.96.0.1:443", options, error), 0, "%s", error);
	cr_expect_eq(check("", NULL, options, error), 0, "%s", error);
}

Test(api_address, another_way_to_the_api_is_no_error)
{
	const char *texts[] = {"text"};

	expect_taken(&(struct options){.n_manifests = 1, .manifests = texts});
	expect_taken(&(struct options){.n_servers = 1, .servers = texts});
	expect_taken(&(struct options){.kubeconfig = "text"});
	expect_taken(&(struct options){.is_api_through_service = true});
}
