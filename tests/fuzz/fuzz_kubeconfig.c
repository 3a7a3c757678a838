/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig, and what the program that it names prints. Nothing is run. */
#include "fuzz.h"
#include "source/exec_credential.h"
#include "source/kubeconfig.h"
#include "util/cleanup.h"

#define API_VERSION "client.authentication.k8s.io/v1"

/* What is done with a good one before anything is sent. */
static void use(const struct kubeconfig *config)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *again = NULL;
	struct kubeconfig_error error = {};
	_free_ char *info = config->exec ? exec_info(config) : NULL;

	fuzz_assert(config->n_servers > 0);
	fuzz_assert(!config->exec || info);
	fuzz_assert(kubeconfig_reload(config, &again, &error) == 0);
}

static void load(const char *path, const char *context)
{
	_cleanup_(kubeconfig_freep) struct kubeconfig *config = NULL;
	struct kubeconfig_error error = {};
	int r = kubeconfig_load(path, context, &config, &error);

	if (r == 0)
		use(config);
	else
		fuzz_assert(*error.text && !strchr(error.text, '\n'));
}

static void parse_credential(const uint8_t *data, size_t size)
{
	_free_ char *copy = fuzz_copy(data, size);
	struct exec_credential credential = {};
	char text[EXEC_TEXT_MAX] = "";
	int r = exec_credential_parse(copy, size, API_VERSION, &credential, text);

	fuzz_assert(r == 0 || (*text && !strchr(text, '\n')));
	exec_credential_free(&credential);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(fuzz_file_close) struct fuzz_file file = fuzz_file_open();

	fuzz_file_write(&file, data, size);
	load(file.path, NULL);
	load(file.path, "other");
	parse_credential(data, size);
	return 0;
}
