/* SPDX-License-Identifier: Apache-2.0 */
/* What libbpf has to say while it works for this thread: for the debug log, and the first warning,
 * which names the cause, for the error.
 */
#ifndef SVCBPF_DATAPATH_BPF_LOG_H
#define SVCBPF_DATAPATH_BPF_LOG_H

#include <bpf/libbpf.h>

#define BPF_LOG_LINE_BYTES 240

/**
 * struct bpf_log - between bpf_log_begin() and bpf_log_end().
 * @warning: the first one; "" when there was none.
 */
struct bpf_log {
	char warning[BPF_LOG_LINE_BYTES];
	libbpf_print_fn_t old_print;
};

/** bpf_log_begin() - begin to listen; not twice at a time in one thread. */
void bpf_log_begin(struct bpf_log *log);

/** bpf_log_end() - end it; @log->warning stays. */
void bpf_log_end(struct bpf_log *log);

#endif
