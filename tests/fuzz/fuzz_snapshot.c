/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot file: as it is, and with a header that lets it through to the decoder. What could be
 * read is written and must be readable again. The file is in the current folder.
 */
#include <fcntl.h>

#include "source/snapshot.h"
#include "source/snapshot_bytes.h"
#include "source/snapshot_decode.h"
#include "source/snapshot_format.h"
#include "source/text_hash.h"
#include "util/cleanup.h"
#include "world.h"

/* Not snapshot_write(): that waits for the disk, and a link would be followed. */
static void write_file(const void *data, size_t size)
{
	_close_ int fd =
		open(SNAPSHOT_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	fuzz_assert(fd >= 0);
	fuzz_assert(write(fd, data, size) == (ssize_t)size);
}

static int load(struct world *world, const char *node_name)
{
	const struct source_events events = world_events(world);
	struct snapshot_info info = {};
	struct snapshot_error error = {};
	int r = snapshot_load(".", node_name, world->pool, &events, &info, &error);

	fuzz_assert(r == 0 || *error.text);
	return r;
}

/* Sets what check_header() of snapshot.c looks at. */
static void repair(uint8_t *bytes, size_t size)
{
	snapshot_store_u64(bytes + SNAPSHOT_AT_MAGIC, SNAPSHOT_MAGIC);
	snapshot_store_u32(bytes + SNAPSHOT_AT_VERSION, SNAPSHOT_VERSION);
	snapshot_store_u32(bytes + SNAPSHOT_AT_RESERVED, 0);
	snapshot_store_u64(bytes + SNAPSHOT_AT_LEN, size);
	snapshot_store_u64(bytes + SNAPSHOT_AT_CHECKSUM,
			   text_hash(0, bytes + SNAPSHOT_AT_LEN, size - SNAPSHOT_AT_LEN));
}

/* The model, written and read. */
static void check_again(const struct model *model)
{
	const char *node_name = model_node_name(model);
	struct world world = world_open(node_name);
	_free_ void *bytes = NULL;
	size_t len;

	fuzz_assert(snapshot_encode(model, 0, &bytes, &len) == 0);
	write_file(bytes, len);
	fuzz_assert(load(&world, node_name) == 0);
	world_close(&world);
}

static void try(const char *node_name, const void *bytes, size_t size)
{
	struct world world = world_open(node_name);

	write_file(bytes, size);
	if (load(&world, node_name) == 0)
		check_again(world.model);
	world_close(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ uint8_t *bytes = (uint8_t *)fuzz_copy(data, size);
	const char *node_name;

	try("n1", bytes, size);
	if (size < SNAPSHOT_HEADER_BYTES)
		return 0;
	repair(bytes, size);
	node_name = snapshot_node_name(bytes, size);
	try(node_name ? node_name : "n1", bytes, size);
	return 0;
}
