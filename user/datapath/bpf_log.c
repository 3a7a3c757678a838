/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/bpf_log.h"

#include <stdio.h>
#include <string.h>

#include "util/log.h"

/*
 * libbpf's print function has no argument for its user, so the place to write to is a variable of
 * the thread, set for as long as that thread listens.
 */
static _Thread_local char *first_warning;

static int keep_warning(enum libbpf_print_level level, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static int keep_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[4096];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("%s", line);
	if (level == LIBBPF_WARN && first_warning && !*first_warning)
		snprintf(first_warning, BPF_LOG_LINE_BYTES, "%.*s", BPF_LOG_LINE_BYTES - 1, line);
	return 0;
}

void bpf_log_begin(struct bpf_log *log)
{
	log->warning[0] = '\0';
	first_warning = log->warning;
	log->old_print = libbpf_set_print(keep_warning);
}

void bpf_log_end(struct bpf_log *log)
{
	libbpf_set_print(log->old_print);
	first_warning = NULL;
}
