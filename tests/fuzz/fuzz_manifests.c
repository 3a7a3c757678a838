/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of manifests: read, then cut off in the middle as if somebody was writing it, then whole
 * again. What is told goes into a model.
 */
#include "source/manifests.h"
#include "util/cleanup.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(fuzz_file_close) struct fuzz_file file = fuzz_file_open();
	const char *const paths[] = {file.path};
	const size_t sizes[] = {size, size / 2, size};
	struct world world = world_open("n1");
	const struct source_events events = world_events(&world);
	struct manifests *manifests = NULL;

	fuzz_assert(manifests_new(paths, 1, "n1", world.pool, &events, &manifests) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		fuzz_file_write(&file, data, sizes[i]);
		fuzz_assert(manifests_load(manifests) == 0);
	}
	manifests_free(manifests);
	world_close(&world);
	return 0;
}
