/* SPDX-License-Identifier: Apache-2.0 */
/* A fast 64-bit hash to see whether a text changed; not for keys that a stranger chooses. */
#ifndef SVCBPF_SOURCE_TEXT_HASH_H
#define SVCBPF_SOURCE_TEXT_HASH_H

#include <stddef.h>
#include <stdint.h>

/** text_hash() - mix @len bytes into @hash, which is 0 at first. Return: the new hash. */
uint64_t text_hash(uint64_t hash, const void *bytes, size_t len);

struct cJSON;

/** text_hash_json() - the hash of a tree: names, values and their order. */
uint64_t text_hash_json(const struct cJSON *node);

#endif
