/* SPDX-License-Identifier: Apache-2.0 */
#include "source/text_hash.h"

#include <cjson/cJSON.h>
#include <string.h>

/* The finalizer of splitmix64: every bit of the input reaches every bit of the result. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint64_t text_hash(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t word = 0;

	hash = mix(hash + 0x9e3779b97f4a7c15ull + len);
	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = mix(hash ^ word);
	}
	word = 0;
	memcpy(&word, at, len);
	return mix(hash ^ word);
}

static uint64_t hash_string(uint64_t hash, const char *text)
{
	return text ? text_hash(hash, text, strlen(text)) : mix(hash);
}

static uint64_t hash_node(uint64_t hash, const cJSON *node)
{
	const int type = node->type & 0xff;
	const cJSON *child;

	hash = mix(hash + (uint64_t)type);
	hash = hash_string(hash, node->string);
	if (type == cJSON_String)
		return hash_string(hash, node->valuestring);
	if (type == cJSON_Number)
		return text_hash(hash, &node->valuedouble, sizeof(node->valuedouble));
	cJSON_ArrayForEach(child, node) {
		hash = hash_node(hash, child);
	}
	/* the end of a list counts: [[1],2] is not [[1,2]] */
	return mix(hash + 1);
}

uint64_t text_hash_json(const struct cJSON *node)
{
	return hash_node(0, node);
}
