/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random sequences of changes: after each commit the model's state equals that of a fresh model
 * given the same objects, and equals what a listener has that knows nothing but the events.
 */
#include <errno.h>

#include "unit/model/build.h"

#define N_SERVICES 6
#define N_SLICES   12
#define N_RUNS	   20
#define N_STEPS	   150
#define MAX_PORTS  256

static struct strings *pool;

/* That the sequences really meet what they are for. */
static struct {
	size_t n_ports;
	size_t n_backends;
	size_t n_problems;
	size_t n_failures;
} seen;

/* What exists now: an object is made again from its number and its seed; seed 0: it is not there.
 */
struct world {
	unsigned int services[N_SERVICES];
	unsigned int slices[N_SLICES];
	const char *zone;
};

/* A listener: what it was told is there. */
struct mirror {
	struct service_port *ports[MAX_PORTS];
	size_t n_ports;
	struct health_check checks[N_SERVICES];
	int n_calls;
	int fail_at;
};

static unsigned int next_random(unsigned int *seed, unsigned int n)
{
	return (unsigned int)rand_r(seed) % n;
}

static struct k8s_service *make_service(unsigned int number, unsigned int seed)
{
	static const char *const families[] = {"", ",fd00::", NULL};
	static const char *const names[] = {"http", "dns", ""};
	char name[16], ips[64];
	struct k8s_service *service;
	/* few enough addresses and NodePorts that Services fall over each other */
	unsigned int ip = 1 + next_random(&seed, 5), second = next_random(&seed, 3);

	snprintf(name, sizeof(name), "s%u", number);
	if (families[second])
		snprintf(ips, sizeof(ips), "10.96.0.%u%s%.0u", ip, families[second],
			 second ? ip : 0);
	else
		snprintf(ips, sizeof(ips), "fd00::%u", ip);
	service = build_service(pool, name, ips);
	service->created_s = next_random(&seed, 3);
	service->type = (enum k8s_service_type)next_random(&seed, 4);
	service->algorithm = (enum k8s_algorithm)next_random(&seed, 4);
	service->is_excluded = next_random(&seed, 12) == 0;
	service->is_external_local = next_random(&seed, 2);
	service->is_internal_local = next_random(&seed, 3) == 0;
	service->affinity_s = next_random(&seed, 3) == 0 ? 10800 : 0;
	service->health_check_node_port = next_random(&seed, 2) ? 31000 : 0;
	for (unsigned int n = next_random(&seed, 8); n > 0; n /= 2)
		build_port(pool, service, names[next_random(&seed, 3)],
			   next_random(&seed, 2) ? IPPROTO_TCP : IPPROTO_UDP,
			   (uint16_t)(80 + next_random(&seed, 3)),
			   next_random(&seed, 2) ? (uint16_t)(30000 + next_random(&seed, 4)) : 0);
	if (next_random(&seed, 2))
		build_external_ip(service, next_random(&seed, 2) ? "203.0.113.1" : "2001:db8::1");
	if (next_random(&seed, 2))
		build_ingress(service, next_random(&seed, 2) ? "203.0.113.1" : "203.0.113.2", true);
	if (next_random(&seed, 3) == 0)
		build_source_range(service, next_random(&seed, 2) ? "10.0.0.0/8" : "0.0.0.0/0");
	return service;
}

static struct k8s_slice *make_slice(unsigned int number, unsigned int seed)
{
	static const char *const hints[] = {NULL, "a", "b", "a,b"};
	static const char *const names[] = {"http", "dns", ""};
	char name[16], service[16];
	struct k8s_slice *slice;
	uint8_t family = next_random(&seed, 2) ? ADDR_IPV4 : ADDR_IPV6;
	bool is_hinted = next_random(&seed, 2);

	snprintf(name, sizeof(name), "e%u", number);
	snprintf(service, sizeof(service), "s%u", next_random(&seed, N_SERVICES));
	slice = build_slice(pool, name, service, family);
	slice->is_headless = next_random(&seed, 15) == 0;
	for (unsigned int i = 0; i < 3; i++)
		build_slice_port(pool, slice, names[next_random(&seed, 3)],
				 next_random(&seed, 2) ? IPPROTO_TCP : IPPROTO_UDP,
				 (uint16_t)(8080 + next_random(&seed, 2)));
	for (unsigned int n = next_random(&seed, 32); n > 0; n /= 2) {
		char addr[32], node[8];
		unsigned int hint = next_random(&seed, 8);
		struct k8s_endpoint *endpoint;

		snprintf(addr, sizeof(addr), family == ADDR_IPV4 ? "10.0.0.%u" : "fd01::%u",
			 1 + next_random(&seed, 5));
		snprintf(node, sizeof(node), "n%u", 1 + next_random(&seed, 2));
		endpoint = build_endpoint(pool, slice, addr, node, next_random(&seed, 8));
		if (is_hinted && hints[hint % 4])
			endpoint->hints =
				build_hints(pool, hints[hint % 4], hint > 4 ? "n1" : NULL);
	}
	return slice;
}

static void put(struct model *model, const struct world *world, unsigned int number)
{
	char name[16];
	int r;

	if (number < N_SERVICES) {
		snprintf(name, sizeof(name), "s%u", number);
		r = world->services[number]
			    ? model_put_service(model,
						make_service(number, world->services[number]))
			    : model_remove_service(model, "default", name);
	} else {
		number -= N_SERVICES;
		snprintf(name, sizeof(name), "e%u", number);
		r = world->slices[number]
			    ? model_put_slice(model, make_slice(number, world->slices[number]))
			    : model_remove_slice(model, "default", name);
	}
	cr_assert(r == 0 || r == -ENOENT);
}

static struct model *make_model(void)
{
	struct model *model;

	cr_assert_eq(model_new("n1", pool, &model), 0);
	return model;
}

/* The state of a model that is given everything at once, in another order. */
static char *from_scratch(const struct world *world, unsigned int offset)
{
	struct model *model = make_model();
	char *text;

	for (unsigned int i = 0; i < N_SERVICES + N_SLICES; i++)
		put(model, world, (i * 7 + offset) % (N_SERVICES + N_SLICES));
	cr_assert_eq(model_set_node(model, build_node(pool, world->zone)), 0);
	cr_assert_eq(model_commit(model, NULL), 0);
	text = describe_model(model);
	model_free(model);
	return text;
}

static size_t find_in_mirror(const struct mirror *mirror, const struct service_port_key *key)
{
	size_t i = 0;

	while (i < mirror->n_ports && service_port_key_compare(&mirror->ports[i]->key, key) != 0)
		i++;
	return i;
}

static int mirror_port(void *arg, const struct service_port *old, const struct service_port *new)
{
	struct mirror *mirror = arg;
	size_t i = find_in_mirror(mirror, old ? &old->key : &new->key);

	if (++mirror->n_calls == mirror->fail_at)
		return -EIO;
	cr_assert_eq(old != NULL, i < mirror->n_ports, "told as old exactly when it was told");
	if (old) {
		cr_expect(service_port_equal(old, mirror->ports[i]));
		service_port_free(mirror->ports[i]);
		mirror->ports[i] = mirror->ports[--mirror->n_ports];
	}
	if (new) {
		cr_assert_lt(mirror->n_ports, MAX_PORTS);
		cr_assert_eq(service_port_copy(new, &mirror->ports[mirror->n_ports++]), 0);
	}
	return 0;
}

static int mirror_health(void *arg, const struct health_check *check)
{
	struct mirror *mirror = arg;

	if (++mirror->n_calls == mirror->fail_at)
		return -EIO;
	mirror->checks[atoi(check->name + 1)] = *check;
	return 0;
}

static void expect_mirror(const struct mirror *mirror, const struct model *model)
{
	struct service_port *const *ports;
	const struct health_check *checks;
	struct state *state;
	size_t n, n_checks = 0;

	cr_assert_eq(model_state(model, &state), 0);
	ports = state_ports(state, &n);
	cr_expect_eq(mirror->n_ports, n);
	for (size_t i = 0; i < n; i++) {
		size_t j = find_in_mirror(mirror, &ports[i]->key);

		cr_assert_lt(j, mirror->n_ports);
		cr_expect(service_port_equal(ports[i], mirror->ports[j]));
		cr_expect(backend_list_equal(&ports[i]->serving, &mirror->ports[j]->serving));
	}
	checks = state_health_checks(state, &n);
	for (size_t i = 0; i < N_SERVICES; i++)
		n_checks += mirror->checks[i].node_port != 0;
	cr_expect_eq(n_checks, n);
	for (size_t i = 0; i < n; i++) {
		const struct health_check *check = &mirror->checks[atoi(checks[i].name + 1)];

		cr_expect_eq(check->node_port, checks[i].node_port);
		cr_expect_eq(check->n_local_endpoints, checks[i].n_local_endpoints);
	}
	state_free(state);
}

/* Each key is held by one frontend only. */
static void expect_no_frontend_twice(const struct mirror *mirror)
{
	for (size_t i = 0; i < mirror->n_ports; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct service_port *a = mirror->ports[i], *b = mirror->ports[j];

			if (a->key.family != b->key.family || a->key.protocol != b->key.protocol)
				continue;
			for (size_t k = 0; k < a->n_frontends * b->n_frontends; k++) {
				const struct frontend *x = &a->frontends[k % a->n_frontends];
				const struct frontend *y = &b->frontends[k / a->n_frontends];

				cr_expect(x->port != y->port ||
					  addr_compare(&x->addr, &y->addr) != 0);
			}
		}
	}
}

static void change_something(struct model *model, struct world *world, unsigned int *seed)
{
	static const char *const zones[] = {NULL, "a", "b"};
	unsigned int number = next_random(seed, N_SERVICES + N_SLICES + 1);
	unsigned int object_seed = next_random(seed, 4) ? 1 + next_random(seed, 1000000) : 0;

	if (number < N_SERVICES) {
		world->services[number] = object_seed;
	} else if (number < N_SERVICES + N_SLICES) {
		world->slices[number - N_SERVICES] = object_seed;
	} else {
		world->zone = zones[next_random(seed, 3)];
		cr_assert_eq(model_set_node(model, build_node(pool, world->zone)), 0);
		return;
	}
	put(model, world, number);
}

static void commit(struct model *model, struct mirror *mirror, unsigned int *seed)
{
	struct model_events events = {.port = mirror_port, .health = mirror_health, .arg = mirror};

	mirror->n_calls = 0;
	mirror->fail_at = (int)next_random(seed, 6);
	if (model_commit(model, &events) < 0) {
		seen.n_failures++;
		mirror->fail_at = 0;
		/* more may change before the second try */
		cr_assert_eq(model_commit(model, &events), 0);
	}
}

static void count_problem(void *arg, const char *service, const char *text)
{
	(void)arg;
	(void)service;
	(void)text;
	seen.n_problems++;
}

static void count_what_is_there(const struct model *model, const struct mirror *mirror)
{
	seen.n_ports += mirror->n_ports;
	for (size_t i = 0; i < mirror->n_ports; i++)
		seen.n_backends += mirror->ports[i]->cluster.n_backends;
	model_for_each_problem(model, count_problem, NULL);
}

static void run(unsigned int seed)
{
	struct world world = {.zone = NULL};
	struct mirror mirror = {.n_ports = 0};
	struct model *model = make_model();

	for (int step = 0; step < N_STEPS; step++) {
		_free_ char *incremental = NULL, *fresh = NULL;
		unsigned int n_changes = 1 + next_random(&seed, 4);

		while (n_changes-- > 0)
			change_something(model, &world, &seed);
		commit(model, &mirror, &seed);
		incremental = describe_model(model);
		fresh = from_scratch(&world, next_random(&seed, N_SERVICES + N_SLICES));
		cr_assert_str_eq(incremental, fresh);
		expect_mirror(&mirror, model);
		expect_no_frontend_twice(&mirror);
		count_what_is_there(model, &mirror);
	}
	for (size_t i = 0; i < mirror.n_ports; i++)
		service_port_free(mirror.ports[i]);
	model_free(model);
	cr_expect_eq(strings_count(pool), 0);
}

Test(incremental, equals_from_scratch_and_events_tell_all)
{
	cr_assert_eq(strings_new(&pool), 0);
	for (unsigned int seed = 1; seed <= N_RUNS; seed++)
		run(seed);
	cr_expect_gt(seen.n_ports, 5 * N_RUNS * N_STEPS / 2, "%zu ports", seen.n_ports);
	cr_expect_gt(seen.n_backends, seen.n_ports / 4, "%zu backends", seen.n_backends);
	cr_expect_gt(seen.n_problems, N_RUNS * N_STEPS / 2, "%zu problems", seen.n_problems);
	cr_expect_gt(seen.n_failures, N_RUNS * N_STEPS / 4, "%zu failures", seen.n_failures);
	strings_free(pool);
}
