/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a program that the kernel refuses. */
#include <criterion/criterion.h>
#include <string.h>

#include "datapath/bpf_log.h"
#include "probe_refused.skel.h"
#include "util/cleanup.h"

#define BEGIN "libbpf: prog 'ingress_l2': -- BEGIN PROG LOAD LOG --\n"
#define END   "-- END PROG LOAD LOG --\n"
#define STATS                                                                                      \
	"verification time 19 usec\nstack depth 448+96\n"                                          \
	"processed 12 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "   \
	"mark_read 0\n"

static const struct {
	const char *warning;
	const char *expected; /* NULL: none */
} cases[] = {
	{"libbpf: failed to load object 'svcbpf_packet'\n", NULL},
	{"libbpf: prog 'ingress_l2': BPF program load failed: Permission denied\n", NULL},
	{BEGIN "0: (b7) r0 = 1\n"
	       "R1 !read_ok\n" STATS END,
	 "program ingress_l2: R1 !read_ok"},
	{BEGIN "combined stack size of 3 calls is 544. Too large\n" STATS END,
	 "program ingress_l2: combined stack size of 3 calls is 544. Too large"},
	{BEGIN "BPF program is too large. Processed 1000001 insn\n" STATS END,
	 "program ingress_l2: BPF program is too large. Processed 1000001 insn"},
	{BEGIN "R1 !read_ok\n\n\n" END, "program ingress_l2: R1 !read_ok"},
	{BEGIN "R1 !read_ok\n" STATS, "program ingress_l2: R1 !read_ok"}, /* cut off */
	{BEGIN STATS END, "program ingress_l2: the verifier gave no reason"},
	{BEGIN END, "program ingress_l2: the verifier gave no reason"},
	{BEGIN, "program ingress_l2: the verifier gave no reason"},
};

Test(bpf_log, last_line_that_is_no_statistics)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[BPF_LOG_LINE_BYTES] = "untouched";

		cr_expect_eq(bpf_log_verdict(cases[i].warning, text), cases[i].expected != NULL,
			     "case %zu", i);
		cr_expect_str_eq(text, cases[i].expected ? cases[i].expected : "untouched",
				 "case %zu: %s", i, text);
	}
}

Test(bpf_log, a_long_line_is_cut)
{
	char warning[4096] = BEGIN, text[BPF_LOG_LINE_BYTES];
	const size_t len = strlen(warning);

	memset(warning + len, 'x', sizeof(warning) - len - 1);
	cr_assert(bpf_log_verdict(warning, text));
	cr_expect_eq(strlen(text), sizeof(text) - 1);
}

/* The words are each kernel's; that of Linux 5.10 to 6.18 is meant by the one it has in common. */
Test(bpf_log, a_refused_program_is_named_with_the_reason)
{
	struct probe_refused_bpf *probe = probe_refused_bpf__open();
	struct bpf_log log;
	int r;

	cr_assert_not_null(probe);
	bpf_log_begin(&log);
	r = probe_refused_bpf__load(probe);
	bpf_log_end(&log);
	probe_refused_bpf__destroy(probe);
	cr_assert_lt(r, 0);
	cr_expect(log.is_verdict);
	cr_expect_eq(strncmp(log.warning, "program reads_beyond: ", 22), 0, "%s", log.warning);
	cr_expect(strstr(log.warning, "is outside of the packet"), "%s", log.warning);
}

Test(bpf_log, without_a_verdict_the_first_warning)
{
	struct bpf_log log;

	bpf_log_begin(&log);
	cr_expect_null(bpf_object__open_mem("no object", 9, NULL));
	bpf_log_end(&log);
	cr_expect_not(log.is_verdict);
	cr_expect_eq(strncmp(log.warning, "libbpf: ", 8), 0, "%s", log.warning);
}
