/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chisq [-n N] VIP:PORT BACKEND... - is the choice among the backends uniform?
 *
 * N connects (default 10,000); chi-square over the names that answered. The statistic must lie
 * between the 0.0001 and 0.9999 quantiles for (backends - 1) degrees of freedom: below the first
 * the choice is not random (a round robin), above the second it is not uniform. A good one fails
 * once in 5,000 runs. Quantiles by Wilson and Hilferty (1931). Prints JSON; exit 0 when within.
 */
#include <math.h>
#include <unistd.h>

#include "tool.h"

#define MAX_BACKENDS 256
#define Z_0_9999     3.719016

static double quantile(double degrees, double z)
{
	double variance = 2 / (9 * degrees);

	return degrees * pow(1 - variance + z * sqrt(variance), 3);
}

/* Return: whether a name came; without its newline. */
static bool ask_name(const struct tool_addr *vip, char ret_name[TOOL_NAME_MAX])
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int fd = socket(vip->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = 0;
	ssize_t got = 1;

	tool_set_timeout(fd, 2000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, &vip->u.any, vip->len_bytes) < 0)
		got = 0;
	while (got > 0 && n < TOOL_NAME_MAX - 1 && (!n || ret_name[n - 1] != '\n')) {
		got = recv(fd, ret_name + n, TOOL_NAME_MAX - 1 - n, 0);
		n += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	ret_name[n ? n - 1 : 0] = '\0';
	return got > 0;
}

static double statistic(const long *counts, int n_backends, long n_total)
{
	double expected = (double)n_total / n_backends;
	double sum = 0;

	for (int i = 0; i < n_backends; i++)
		sum += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
	return sum;
}

static int find(char **names, int n_names, const char *name)
{
	for (int i = 0; i < n_names; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

static bool run(const struct tool_addr *vip, long n_connects, char **names, int n_names)
{
	long counts[MAX_BACKENDS] = {0};
	long n_bad = 0;
	double low = quantile(n_names - 1, -Z_0_9999);
	double high = quantile(n_names - 1, Z_0_9999);
	double value;

	for (long i = 0; i < n_connects; i++) {
		char name[TOOL_NAME_MAX];
		int index = ask_name(vip, name) ? find(names, n_names, name) : -1;

		if (index < 0)
			n_bad++;
		else
			counts[index]++;
	}
	value = statistic(counts, n_names, n_connects - n_bad);
	printf("{\"connects\": %ld, \"bad\": %ld, \"chiSquare\": %.3f, \"low\": %.3f, "
	       "\"high\": %.3f, \"counts\": [",
	       n_connects, n_bad, value, low, high);
	for (int i = 0; i < n_names; i++)
		printf("%s%ld", i ? ", " : "", counts[i]);
	puts("]}");
	return !n_bad && value > low && value < high;
}

int main(int argc, char **argv)
{
	struct tool_addr vip;
	long n_connects = 10000;
	int first = 1;

	if (argc > 3 && !strcmp(argv[1], "-n")) {
		n_connects = atol(argv[2]);
		first = 3;
	}
	if (argc - first < 3 || argc - first - 1 > MAX_BACKENDS || n_connects < 100 ||
	    !tool_parse(argv[first], &vip)) {
		fprintf(stderr, "chisq: usage: chisq [-n N] VIP:PORT BACKEND BACKEND...\n");
		return 2;
	}
	return run(&vip, n_connects, argv + first + 1, argc - first - 1) ? 0 : 1;
}
