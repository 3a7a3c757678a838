/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds for fuzz_snapshot, which are no text that could be kept in git:
 *
 *	seed_snapshot MANIFEST FOLDER	writes FOLDER/snapshot
 */
#include "source/manifests.h"
#include "source/snapshot.h"
#include "util/cleanup.h"
#include "world.h"

int main(int argc, char **argv)
{
	struct world world = world_open("n1");
	const struct source_events events = world_events(&world);
	const char *const paths[] = {argv[1]};
	struct manifests *manifests = NULL;
	_free_ void *bytes = NULL;
	size_t len;

	fuzz_assert(argc == 3);
	fuzz_assert(manifests_new(paths, 1, "n1", world.pool, &events, &manifests) == 0);
	fuzz_assert(manifests_load(manifests) == 0);
	fuzz_assert(snapshot_encode(world.model, 0, &bytes, &len) == 0);
	fuzz_assert(snapshot_write(argv[2], bytes, len) == 0);
	manifests_free(manifests);
	world_close(&world);
	return 0;
}
