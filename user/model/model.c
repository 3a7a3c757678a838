/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "model/model_private.h"
#include "util/cleanup.h"

void model_mark_dirty(struct model *model, struct service_entry *entry)
{
	if (entry->is_dirty)
		return;
	entry->is_dirty = true;
	DL_APPEND2(model->dirty, entry, dirty_prev, dirty_next);
}

/* Another Service took a frontend from this one, or left it one. */
static void owner_changed(void *arg, struct claim_owner *owner)
{
	size_t offset = offsetof(struct service_entry, owner);

	model_mark_dirty(arg, (struct service_entry *)((uintptr_t)owner - offset));
}

/* The name in lower case without white space around it (R9). */
static const char *intern_node_name(struct strings *pool, const char *node_name)
{
	_free_ char *copy = NULL;
	size_t len;

	while (isspace((unsigned char)*node_name))
		node_name++;
	copy = strdup(node_name);
	if (!copy)
		return NULL;
	len = strlen(copy);
	while (len > 0 && isspace((unsigned char)copy[len - 1]))
		copy[--len] = '\0';
	for (size_t i = 0; i < len; i++)
		copy[i] = (char)tolower((unsigned char)copy[i]);
	return strings_get(pool, copy);
}

static void model_freep(struct model **model)
{
	model_free(*model);
}

int model_new(const char *node_name, struct strings *pool, struct model **ret)
{
	_cleanup_(model_freep) struct model *model = calloc(1, sizeof(*model));
	int r;

	if (!model)
		return -ENOMEM;
	model->pool = pool;
	r = claims_new(pool, owner_changed, model, &model->claims);
	if (r < 0)
		return r;
	model->node_name = intern_node_name(pool, node_name);
	model->zone = strings_get(pool, "");
	if (!model->node_name || !model->zone)
		return -ENOMEM;
	*ret = TAKE_PTR(model);
	return 0;
}

static void key_fini(struct strings *pool, const struct object_key *key)
{
	strings_put(pool, key->namespace);
	strings_put(pool, key->name);
}

static void slice_entry_free(struct model *model, struct slice_entry *entry)
{
	HASH_DEL(model->slices, entry);
	packed_slice_free(model->pool, entry->slice);
	key_fini(model->pool, &entry->key);
	free(entry);
}

static void service_entry_free(struct model *model, struct service_entry *entry)
{
	if (entry->is_dirty)
		DL_DELETE2(model->dirty, entry, dirty_prev, dirty_next);
	problems_clear(model, entry);
	HASH_DEL(model->services, entry);
	for (size_t i = 0; i < entry->n_ports; i++)
		compute_port_free(model->pool, entry->ports[i]);
	free(entry->ports);
	k8s_service_free(model->pool, entry->service);
	key_fini(model->pool, &entry->key);
	free(entry);
}

void model_drop_if_empty(struct model *model, struct service_entry *entry)
{
	if (!entry->service && !entry->slices && entry->n_ports == 0 &&
	    entry->health.node_port == 0 && entry->owner.n_claims == 0)
		service_entry_free(model, entry);
}

void model_free(struct model *model)
{
	struct service_entry *service, *next_service;
	struct slice_entry *slice, *next_slice;

	if (!model)
		return;
	tell_free_dead(model);
	free(model->dead);
	HASH_ITER(hh, model->slices, slice, next_slice)
		slice_entry_free(model, slice);
	/* giving up claims marks others dirty: all entries must still be there */
	HASH_ITER(hh, model->services, service, next_service)
		claims_set(model->claims, &service->owner, 0, NULL, 0);
	HASH_ITER(hh, model->services, service, next_service)
		service_entry_free(model, service);
	claims_free(model->claims);
	endpoint_set_fini(&model->set);
	k8s_node_free(model->pool, model->node);
	strings_put(model->pool, model->node_name);
	strings_put(model->pool, model->zone);
	free(model);
}

static struct service_entry *find_service(const struct model *model, const struct object_key *key)
{
	struct service_entry *entry;

	HASH_FIND(hh, model->services, key, sizeof(*key), entry);
	return entry;
}

/* The entry of that name, a new one if need be; NULL without memory. */
static struct service_entry *get_service(struct model *model, const struct object_key *key)
{
	struct service_entry *entry = find_service(model, key);
	_free_ struct service_entry *made = NULL;

	if (entry)
		return entry;
	made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	made->key = *key;
	HASH_ADD(hh, model->services, key, sizeof(made->key), made);
	if (!TABLE_HAS(made))
		return NULL;
	strings_ref(key->namespace);
	strings_ref(key->name);
	made->owner.namespace = key->namespace;
	made->owner.name = key->name;
	made->health.namespace = key->namespace;
	made->health.name = key->name;
	return TAKE_PTR(made);
}

int model_put_service(struct model *model, struct k8s_service *service)
{
	struct object_key key = {service->namespace, service->name};
	struct service_entry *entry = get_service(model, &key);

	if (!entry) {
		k8s_service_free(model->pool, service);
		return -ENOMEM;
	}
	k8s_service_free(model->pool, entry->service);
	entry->service = service;
	entry->has_stale_claims = true;
	model_mark_dirty(model, entry);
	return 0;
}

/* Interns both names for a look-up; key_fini() gives them back. */
static int make_key(struct strings *pool, const char *namespace, const char *name,
		    struct object_key *ret_key)
{
	struct object_key key = {strings_get(pool, namespace), strings_get(pool, name)};

	if (!key.namespace || !key.name) {
		key_fini(pool, &key);
		return -ENOMEM;
	}
	*ret_key = key;
	return 0;
}

int model_remove_service(struct model *model, const char *namespace, const char *name)
{
	struct service_entry *entry;
	struct object_key key;
	int r = make_key(model->pool, namespace, name, &key);

	if (r < 0)
		return r;
	entry = find_service(model, &key);
	key_fini(model->pool, &key);
	if (!entry || !entry->service)
		return -ENOENT;
	k8s_service_free(model->pool, entry->service);
	entry->service = NULL;
	entry->has_stale_claims = true;
	model_mark_dirty(model, entry);
	return 0;
}

/* Whether a slice matters to any Service (R2, R6). */
static bool slice_counts(const struct k8s_slice *slice)
{
	return slice->service && slice->service[0] && slice->namespace[0] && slice->name[0] &&
	       !slice->is_headless && slice->family != ADDR_NONE;
}

static bool slice_has_hints(const struct k8s_slice *slice)
{
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		if (slice->endpoints[i].hints)
			return true;
	}
	return false;
}

/* Endpoints of a Service that is not known yet need no computing. */
static void touch(struct model *model, struct service_entry *entry)
{
	if (entry->service)
		model_mark_dirty(model, entry);
}

/* Takes the slice out of its Service and forgets its content. */
static void detach_slice(struct model *model, struct slice_entry *entry)
{
	struct service_entry *service = entry->service;

	packed_slice_free(model->pool, entry->slice);
	entry->slice = NULL;
	entry->service = NULL;
	if (!service)
		return;
	DL_DELETE(service->slices, entry);
	touch(model, service);
	if (!service->is_dirty)
		model_drop_if_empty(model, service);
}

static struct slice_entry *find_slice(const struct model *model, const struct object_key *key)
{
	struct slice_entry *entry;

	HASH_FIND(hh, model->slices, key, sizeof(*key), entry);
	return entry;
}

static struct slice_entry *get_slice(struct model *model, const struct object_key *key)
{
	struct slice_entry *entry = find_slice(model, key);
	_free_ struct slice_entry *made = NULL;

	if (entry)
		return entry;
	made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	made->key = *key;
	HASH_ADD(hh, model->slices, key, sizeof(made->key), made);
	if (!TABLE_HAS(made))
		return NULL;
	strings_ref(key->namespace);
	strings_ref(key->name);
	return TAKE_PTR(made);
}

/* Gives the entry another content: @slice of @service, or NULL of NULL. */
static void replace_slice(struct model *model, struct slice_entry *entry,
			  struct packed_slice *slice, struct service_entry *service)
{
	if (entry->service == service) {
		packed_slice_free(model->pool, entry->slice);
	} else {
		detach_slice(model, entry);
		if (service)
			DL_APPEND(service->slices, entry);
	}
	entry->service = service;
	entry->slice = slice;
	if (service)
		touch(model, service);
}

static int put_slice(struct model *model, struct slice_entry *entry, struct k8s_slice *slice)
{
	struct object_key service_key = {slice->namespace, slice->service};
	struct service_entry *service = get_service(model, &service_key);
	bool is_hinted = slice_has_hints(slice);
	struct packed_slice *packed;

	if (!service || packed_slice_new(slice, &packed) < 0) {
		k8s_slice_free(model->pool, slice);
		if (service && !service->is_dirty)
			model_drop_if_empty(model, service);
		return -ENOMEM;
	}
	replace_slice(model, entry, packed, service);
	entry->has_hints = is_hinted;
	return 0;
}

int model_put_slice(struct model *model, struct k8s_slice *slice)
{
	struct object_key key = {slice->namespace, slice->name};
	struct slice_entry *entry = get_slice(model, &key);

	if (entry && slice_counts(slice))
		return put_slice(model, entry, slice);
	if (entry) {
		replace_slice(model, entry, NULL, NULL);
		entry->has_hints = false;
	}
	k8s_slice_free(model->pool, slice);
	return entry ? 0 : -ENOMEM;
}

int model_remove_slice(struct model *model, const char *namespace, const char *name)
{
	struct slice_entry *entry;
	struct object_key key;
	int r = make_key(model->pool, namespace, name, &key);

	if (r < 0)
		return r;
	entry = find_slice(model, &key);
	key_fini(model->pool, &key);
	if (!entry)
		return -ENOENT;
	detach_slice(model, entry);
	slice_entry_free(model, entry);
	return 0;
}

static bool service_has_hints(const struct service_entry *entry)
{
	const struct slice_entry *slice;

	DL_FOREACH(entry->slices, slice) {
		if (slice->has_hints)
			return true;
	}
	return false;
}

int model_set_node(struct model *model, struct k8s_node *node)
{
	const char *zone = strings_get(model->pool, node && node->zone ? node->zone : "");
	struct service_entry *entry, *next;

	if (!zone) {
		k8s_node_free(model->pool, node);
		return -ENOMEM;
	}
	k8s_node_free(model->pool, model->node);
	model->node = node;
	if (zone != model->zone) {
		HASH_ITER(hh, model->services, entry, next) {
			if (entry->service && service_has_hints(entry))
				model_mark_dirty(model, entry);
		}
	}
	strings_put(model->pool, model->zone);
	model->zone = zone;
	return 0;
}

void model_set_algorithm(struct model *model, enum model_algorithm algorithm)
{
	struct service_entry *entry, *next;

	if (algorithm == model->algorithm)
		return;
	model->algorithm = algorithm;
	HASH_ITER(hh, model->services, entry, next) {
		if (entry->service)
			model_mark_dirty(model, entry);
	}
}

const struct k8s_node *model_node(const struct model *model)
{
	return model->node;
}

int model_for_each_service(const struct model *model,
			   int (*fn)(void *arg, const struct k8s_service *service), void *arg)
{
	const struct service_entry *entry;
	int r = 0;

	for (entry = model->services; r >= 0 && entry; entry = entry->hh.next)
		if (entry->service)
			r = fn(arg, entry->service);
	return r < 0 ? r : 0;
}

int model_for_each_slice(const struct model *model,
			 int (*fn)(void *arg, const struct k8s_slice *slice), void *arg)
{
	const struct slice_entry *entry;
	int r = 0;

	for (entry = model->slices; r >= 0 && entry; entry = entry->hh.next) {
		_cleanup_(packed_slice_close) struct k8s_slice slice = {};

		if (!entry->slice)
			continue;
		r = packed_slice_open(entry->slice, &slice);
		if (r == 0)
			r = fn(arg, &slice);
	}
	return r < 0 ? r : 0;
}

const char *model_node_name(const struct model *model)
{
	return model->node_name;
}

const char *model_zone(const struct model *model)
{
	return model->zone;
}

bool model_has_changes(const struct model *model)
{
	return model->dirty != NULL;
}

static void state_freep(struct state **state)
{
	state_free(*state);
}

static int add_entry(struct state *state, const struct service_entry *entry)
{
	for (size_t i = 0; i < entry->n_ports; i++) {
		struct service_port *copy;
		int r = service_port_copy(entry->ports[i], &copy);

		if (r == 0)
			r = state_add(state, copy);
		if (r < 0)
			return r;
	}
	return entry->health.node_port ? state_add_health_check(state, &entry->health) : 0;
}

int model_state(const struct model *model, struct state **ret)
{
	_cleanup_(state_freep) struct state *state = NULL;
	struct service_entry *entry, *next;
	int r = state_new(model->node_name, model->zone, &state);

	if (r < 0)
		return r;
	HASH_ITER(hh, model->services, entry, next) {
		r = add_entry(state, entry);
		if (r < 0)
			return r;
	}
	state_sort(state);
	*ret = TAKE_PTR(state);
	return 0;
}
