/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/stage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/cleanup.h"

void stage_say_nothing(struct staged *staged)
{
	free(staged->problem);
	staged->problem = NULL;
}

void stage_say(struct staged *staged, const char *format, ...)
{
	va_list args;

	stage_say_nothing(staged);
	va_start(args, format);
	if (vasprintf(&staged->problem, format, args) < 0)
		staged->problem = NULL;
	va_end(args);
}

void stage_drop(struct stage *stage, struct staged *staged)
{
	HASH_DEL(stage->table, staged);
	service_port_free(staged->owned);
	cleanup_close(&staged->table_fd);
	free(staged->problem);
	free(staged);
}

void stage_clear(struct stage *stage)
{
	struct staged *staged, *next;

	HASH_ITER(hh, stage->table, staged, next)
		stage_drop(stage, staged);
}

struct staged *stage_find(const struct stage *stage, const struct svc_service_info *info)
{
	struct staged *staged;

	HASH_FIND(hh, stage->table, info, sizeof(*info), staged);
	return staged;
}

int stage_put(struct stage *stage, const struct svc_service_info *info,
	      const struct service_port *port)
{
	struct staged *staged = stage_find(stage, info);

	if (staged) {
		service_port_free(staged->owned);
		staged->owned = NULL;
		staged->port = port;
		stage_say_nothing(staged);
		staged->is_failed = false;
		staged->lacks_table = false;
		return 0;
	}
	staged = calloc(1, sizeof(*staged));
	if (!staged)
		return -ENOMEM;
	staged->info = *info;
	staged->port = port;
	staged->table_fd = -1;
	HASH_ADD(hh, stage->table, info, sizeof(staged->info), staged);
	if (!TABLE_HAS(staged)) {
		free(staged);
		return -ENOMEM;
	}
	return 0;
}

int stage_keep(struct staged *staged)
{
	int r;

	if (!staged->port || staged->owned)
		return 0;
	r = service_port_copy(staged->port, &staged->owned);
	if (r < 0)
		return r;
	staged->port = staged->owned;
	return 0;
}
