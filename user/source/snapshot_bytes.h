/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers and texts as the bytes of a snapshot. Numbers take 7 bits a byte, low ones first, with
 * the top bit set in all but the last; signed ones are folded (0, -1, 1, -2 ...) first.
 */
#ifndef SVCBPF_SOURCE_SNAPSHOT_BYTES_H
#define SVCBPF_SOURCE_SNAPSHOT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct snapshot_writer - bytes being written; zero-initialise.
 * @bytes: owned, free(3).
 * @is_out_of_memory: something was not written; from then on nothing is.
 */
struct snapshot_writer {
	uint8_t *bytes;
	size_t len;
	size_t capacity;
	bool is_out_of_memory;
};

/** snapshot_put_bytes() - @n bytes as they are. */
void snapshot_put_bytes(struct snapshot_writer *writer, const void *bytes, size_t n);

/** snapshot_put_number() - 1 to 10 bytes. */
void snapshot_put_number(struct snapshot_writer *writer, uint64_t number);

/** snapshot_put_signed() - 1 to 10 bytes, few for numbers near 0. */
void snapshot_put_signed(struct snapshot_writer *writer, int64_t number);

/** snapshot_store_u32(), snapshot_store_u64() - little-endian, in 4 and 8 bytes at @at. */
void snapshot_store_u32(uint8_t *at, uint32_t number);
void snapshot_store_u64(uint8_t *at, uint64_t number);

/** snapshot_fetch_u32(), snapshot_fetch_u64() - the reverse. */
uint32_t snapshot_fetch_u32(const uint8_t *at);
uint64_t snapshot_fetch_u64(const uint8_t *at);

/**
 * struct snapshot_reader - bytes being read, from @at to @end.
 * @is_bad: something was not as it must be; from then on all that is read is 0.
 */
struct snapshot_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool is_bad;
};

/** snapshot_get_bytes() - @n bytes, in place. Return: NULL when there are fewer. */
const uint8_t *snapshot_get_bytes(struct snapshot_reader *reader, size_t n);

/** snapshot_get_number() - a number of at most @max. */
uint64_t snapshot_get_number(struct snapshot_reader *reader, uint64_t max);

/** snapshot_get_signed() - any signed number. */
int64_t snapshot_get_signed(struct snapshot_reader *reader);

/**
 * snapshot_get_count() - how many elements follow, of at least @min_bytes each: never more than
 * the bytes that are left allow, so that a bad count cannot ask for much memory.
 */
size_t snapshot_get_count(struct snapshot_reader *reader, size_t min_bytes);

#endif
