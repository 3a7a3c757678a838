/* SPDX-License-Identifier: Apache-2.0 */
/* The file of --config: a KubeProxyConfiguration, or options by their names, with their values. */
#include "cmd/command.h"
#include "cmd/options.h"
#include "fuzz.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(fuzz_file_close) struct fuzz_file file = fuzz_file_open();
	_cleanup_(options_clear) struct options options = {};
	char name[] = "run", option[] = "--config";
	char *argv[] = {name, option, file.path, NULL};
	char error[OPTIONS_ERROR_MAX];
	int r;

	fuzz_file_write(&file, data, size);
	r = options_parse(command_find(name), 3, argv, &options, error);
	fuzz_assert((r == 0) == !*error);
	fuzz_assert(!strchr(error, '\n'));
	return 0;
}
