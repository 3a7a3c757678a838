/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int make_key(const struct health_check *check, struct svc_health_key *ret_key)
{
	size_t namespace_len = strlen(check->namespace), name_len = strlen(check->name);
	struct svc_health_key key = {};

	if (namespace_len >= sizeof(key.namespace) || name_len >= sizeof(key.name))
		return -ENAMETOOLONG;
	memcpy(key.namespace, check->namespace, namespace_len);
	memcpy(key.name, check->name, name_len);
	*ret_key = key;
	return 0;
}

/* The entry of @key, a new one if need be; NULL without memory. */
static struct shadow_health *get_entry(struct shadow *shadow, const struct svc_health_key *key)
{
	struct shadow_health *health;

	HASH_FIND(hh, shadow->health, key, sizeof(*key), health);
	if (health)
		return health;
	health = calloc(1, sizeof(*health));
	if (!health)
		return NULL;
	health->key = *key;
	HASH_ADD(hh, shadow->health, key, sizeof(health->key), health);
	if (!TABLE_HAS(health)) {
		free(health);
		return NULL;
	}
	return health;
}

int health_put(struct shadow *shadow, const struct health_check *check)
{
	struct shadow_health *health;
	struct svc_health_key key;
	int r;

	r = make_key(check, &key);
	if (r < 0)
		return r;
	health = get_entry(shadow, &key);
	if (!health)
		return -ENOMEM;
	health->is_put = true;
	health->wanted = (struct svc_health){
		.local_endpoints = check->n_local_endpoints,
		.node_port = check->node_port,
	};
	return 0;
}

int health_adopt(struct shadow *shadow, const struct svc_health_key *key,
		 const struct svc_health *value)
{
	struct shadow_health *health = get_entry(shadow, key);

	if (!health)
		return -ENOMEM;
	health->value = *value;
	health->is_inserted = true;
	return 0;
}

static int write_one(struct shadow *shadow, struct shadow_health *health)
{
	const struct svc_health_key key = health->key;
	int r;

	if (!health->wanted.node_port) {
		r = health->is_inserted ? maps_delete(shadow->maps, MAP_HEALTH_CHECKS, &key) : 0;
		if (r < 0)
			return r;
		HASH_DEL(shadow->health, health);
		free(health);
		return 0;
	}
	if (health->is_inserted && !memcmp(&health->value, &health->wanted, sizeof(health->value)))
		return 0;
	r = maps_insert(shadow->maps, MAP_HEALTH_CHECKS, &key, &health->wanted);
	if (r < 0)
		return r;
	health->is_inserted = true;
	health->value = health->wanted;
	return 0;
}

int health_commit(struct shadow *shadow, bool is_complete)
{
	struct shadow_health *health, *next;
	int r, first = 0;

	HASH_ITER(hh, shadow->health, health, next) {
		if (!health->is_put && !is_complete)
			continue;
		r = write_one(shadow, health);
		if (r < 0 && !first)
			first = r;
	}
	return first;
}
