/* SPDX-License-Identifier: Apache-2.0 */
/* process_*, with the names and meanings that all Prometheus clients have. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/agent_metrics_private.h"
#include "util/cleanup.h"

static const struct metric_labels none;

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void write_cpu(struct metrics_text *text)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return;
	agent_metrics_begin(text, AGENT_METRIC_CPU);
	metrics_text_value(text, none, seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime));
}

/* Two numbers of pages come first: of the address space, and of what is in memory. */
static void write_memory(struct metrics_text *text)
{
	_fclose_ FILE *statm = fopen("/proc/self/statm", "re");
	const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t n_virtual;
	char line[128];
	char *end;

	if (!statm || !fgets(line, sizeof(line), statm))
		return;
	n_virtual = strtoull(line, &end, 10);
	agent_metrics_begin(text, AGENT_METRIC_RESIDENT);
	metrics_text_count(text, none, strtoull(end, NULL, 10) * page_bytes);
	agent_metrics_begin(text, AGENT_METRIC_VIRTUAL);
	metrics_text_count(text, none, n_virtual * page_bytes);
}

static void write_fds(struct metrics_text *text)
{
	_closedir_ DIR *dir = opendir("/proc/self/fd");
	struct rlimit limit;
	uint64_t n = 0;

	if (dir) {
		for (const struct dirent *entry; (entry = readdir(dir));)
			n += *entry->d_name != '.';
		agent_metrics_begin(text, AGENT_METRIC_OPEN_FDS);
		metrics_text_count(text, none, n ? n - 1 : 0); /* not @dir itself */
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	agent_metrics_begin(text, AGENT_METRIC_MAX_FDS);
	metrics_text_count(text, none, limit.rlim_cur);
}

void agent_metrics_write_process(const struct agent_metrics *metrics, struct metrics_text *text)
{
	write_cpu(text);
	write_memory(text);
	write_fds(text);
	agent_metrics_begin(text, AGENT_METRIC_START);
	metrics_text_value(text, none, agent_metrics_seconds(metrics->start_ns));
}
