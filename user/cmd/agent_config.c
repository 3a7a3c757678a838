/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/agent_config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cmd/config_file.h"
#include "source/manifest_text.h"
#include "source/text_hash.h"
#include "source/watch.h"
#include "util/cleanup.h"
#include "util/log.h"

/** struct agent_config - @hash: of the text that was read at the start. */
struct agent_config {
	const char *path;
	uint64_t hash;
	bool is_told;
	void (*changed)(void *arg);
	void *arg;
	struct watch *watch;
};

static void on_touched(void *arg)
{
	struct agent_config *config = arg;
	_free_ char *text = NULL;
	struct stat st;
	size_t len = 0;

	if (config->is_told || manifest_text_read(config->path, &text, &len, &st) < 0 ||
	    text_hash(0, text, len) == config->hash)
		return;
	config->is_told = true;
	log_info("--config %s has changed: ending, to be started again with it", config->path);
	config->changed(config->arg);
}

static void agent_config_freep(struct agent_config **config)
{
	agent_config_free(*config);
}

int agent_config_new(struct event_base *base, const struct options *options,
		     void (*changed)(void *arg), void *arg, struct agent_config **ret)
{
	_cleanup_(agent_config_freep) struct agent_config *config = NULL;
	int r;

	if (!options->file) {
		*ret = NULL;
		return 0;
	}
	config = calloc(1, sizeof(*config));
	if (!config)
		return -ENOMEM;
	config->path = options->config;
	config->hash = config_file_hash(options->file);
	config->changed = changed;
	config->arg = arg;
	r = watch_new(&options->config, 1, base, on_touched, config, &config->watch);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(config);
	return 0;
}

void agent_config_free(struct agent_config *config)
{
	if (!config)
		return;
	watch_free(config->watch);
	free(config);
}
