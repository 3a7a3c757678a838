/* SPDX-License-Identifier: Apache-2.0 */
#include "source/snapshot_bytes.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY	 65536
#define NUMBER_MAX_BYTES 10

/* Room for @n bytes more, at the end. Return: NULL without memory. */
static uint8_t *writer_room(struct snapshot_writer *writer, size_t n)
{
	size_t capacity = writer->capacity ? writer->capacity : FIRST_CAPACITY;
	uint8_t *grown;

	if (writer->is_out_of_memory)
		return NULL;
	if (writer->capacity - writer->len >= n)
		return writer->bytes + writer->len;
	while (capacity - writer->len < n)
		capacity *= 2;
	grown = realloc(writer->bytes, capacity);
	if (!grown) {
		writer->is_out_of_memory = true;
		return NULL;
	}
	writer->bytes = grown;
	writer->capacity = capacity;
	return grown + writer->len;
}

void snapshot_put_bytes(struct snapshot_writer *writer, const void *bytes, size_t n)
{
	uint8_t *at = writer_room(writer, n);

	if (!at || !n)
		return;
	memcpy(at, bytes, n);
	writer->len += n;
}

void snapshot_put_number(struct snapshot_writer *writer, uint64_t number)
{
	uint8_t *at = writer_room(writer, NUMBER_MAX_BYTES);

	if (!at)
		return;
	for (; number > 0x7f; number >>= 7)
		*at++ = (uint8_t)(number | 0x80);
	*at++ = (uint8_t)number;
	writer->len = (size_t)(at - writer->bytes);
}

void snapshot_put_signed(struct snapshot_writer *writer, int64_t number)
{
	snapshot_put_number(writer, (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0));
}

void snapshot_store_u32(uint8_t *at, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(number >> (8 * i));
}

void snapshot_store_u64(uint8_t *at, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(number >> (8 * i));
}

uint32_t snapshot_fetch_u32(const uint8_t *at)
{
	uint32_t number = 0;

	for (int i = 0; i < 4; i++)
		number |= (uint32_t)at[i] << (8 * i);
	return number;
}

uint64_t snapshot_fetch_u64(const uint8_t *at)
{
	return snapshot_fetch_u32(at) | (uint64_t)snapshot_fetch_u32(at + 4) << 32;
}

const uint8_t *snapshot_get_bytes(struct snapshot_reader *reader, size_t n)
{
	const uint8_t *at = reader->at;

	if (reader->is_bad || (size_t)(reader->end - reader->at) < n) {
		reader->is_bad = true;
		return NULL;
	}
	reader->at += n;
	return at;
}

/* Only the shortest form of a number is good, so that equal objects are equal bytes. */
static uint64_t get_number(struct snapshot_reader *reader)
{
	uint64_t number = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		const uint8_t *byte = snapshot_get_bytes(reader, 1);

		if (!byte)
			return 0;
		number |= (uint64_t)(*byte & 0x7f) << shift;
		if (*byte & 0x80)
			continue;
		if ((shift && !*byte) || (shift == 63 && *byte > 1))
			break;
		return number;
	}
	reader->is_bad = true;
	return 0;
}

uint64_t snapshot_get_number(struct snapshot_reader *reader, uint64_t max)
{
	uint64_t number = get_number(reader);

	if (number <= max)
		return number;
	reader->is_bad = true;
	return 0;
}

int64_t snapshot_get_signed(struct snapshot_reader *reader)
{
	uint64_t folded = get_number(reader);

	return (int64_t)(folded >> 1 ^ (folded & 1 ? UINT64_MAX : 0));
}

size_t snapshot_get_count(struct snapshot_reader *reader, size_t min_bytes)
{
	return snapshot_get_number(reader, (size_t)(reader->end - reader->at) / min_bytes);
}
