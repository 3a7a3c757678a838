/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

/* libbpf says "v1.1". */
static const char *libbpf_text(void)
{
	const char *text = libbpf_version_string();

	return *text == 'v' ? text + 1 : text;
}

static int print_doc(enum print_format format)
{
	_cleanup_(print_doc_freep) struct print_doc *doc = NULL;
	int r = print_doc_open(stdout, format, &doc);

	if (r == 0)
		r = print_doc_string(doc, "version", SVCBPF_VERSION);
	if (r == 0)
		r = print_doc_number(doc, "abi", SVC_ABI_VERSION);
	if (r == 0)
		r = print_doc_string(doc, "libbpf", libbpf_text());
	return r < 0 ? r : print_doc_close(doc);
}

int version_main(const struct options *options)
{
	int r;

	if (print_is_table(options->format)) {
		printf("svcbpf %s, ABI %u, libbpf %s\n", SVCBPF_VERSION, SVC_ABI_VERSION,
		       libbpf_text());
		return CMD_OK;
	}
	r = print_doc(options->format);
	if (r == 0)
		return CMD_OK;
	command_error("version", "%s", strerror(-r));
	return CMD_FAILED;
}
