/* SPDX-License-Identifier: Apache-2.0 */
/* What libbpf has to say while it works for this thread: all of it for the debug log, and what
 * names the cause for the error: the first warning, or the verifier's last word.
 */
#ifndef SVCBPF_DATAPATH_BPF_LOG_H
#define SVCBPF_DATAPATH_BPF_LOG_H

#include <bpf/libbpf.h>
#include <stdbool.h>

#define BPF_LOG_LINE_BYTES 240

/**
 * struct bpf_log - between bpf_log_begin() and bpf_log_end().
 * @warning: the first one, or bpf_log_verdict() of the first one that has a verifier's log; "" when
 *	there was none.
 * @is_verdict: which of them.
 */
struct bpf_log {
	char warning[BPF_LOG_LINE_BYTES];
	bool is_verdict;
	libbpf_print_fn_t old_print;
};

/** bpf_log_begin() - begin to listen; not twice at a time in one thread. */
void bpf_log_begin(struct bpf_log *log);

/** bpf_log_end() - end it; @log->warning stays. */
void bpf_log_end(struct bpf_log *log);

/**
 * bpf_log_verdict() - why the verifier has refused a program: "program NAME: " and the last line of
 * its log that is no statistics.
 * @warning: libbpf's, with the log.
 * @ret_text: untouched when there is no log in it.
 * Return: whether there is.
 */
bool bpf_log_verdict(const char *warning, char ret_text[BPF_LOG_LINE_BYTES]);

#endif
