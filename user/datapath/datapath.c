/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing for the agent, and what is not part of a commit. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "datapath/adopt.h"
#include "datapath/attach.h"
#include "datapath/error.h"
#include "datapath/health.h"
#include "datapath/internal.h"
#include "datapath/pin.h"
#include "datapath/require.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define MIN_SERVICES 16u
#define MAX_SERVICES (1u << 24)
#define MIN_BACKENDS 16u
#define MAX_BACKENDS (1u << 27)
#define MIN_FLOWS    1024u
#define MAX_FLOWS    (1u << 24)

static void copy_text(char *ret, size_t size_bytes, const char *text)
{
	memset(ret, 0, size_bytes);
	snprintf(ret, size_bytes, "%s", text ? text : "");
}

static int check_options(const struct datapath_options *options, struct datapath_error *ret_error)
{
	if (options->max_services < MIN_SERVICES || options->max_services > MAX_SERVICES)
		return error_set(ret_error, -EINVAL, "--max-services %u: must be %u to %u",
				 options->max_services, MIN_SERVICES, MAX_SERVICES);
	if (options->max_backends < MIN_BACKENDS || options->max_backends > MAX_BACKENDS)
		return error_set(ret_error, -EINVAL, "--max-backends %u: must be %u to %u",
				 options->max_backends, MIN_BACKENDS, MAX_BACKENDS);
	if (options->max_flows &&
	    (options->max_flows < MIN_FLOWS || options->max_flows > MAX_FLOWS))
		return error_set(ret_error, -EINVAL, "--max-flows %u: must be %u to %u",
				 options->max_flows, MIN_FLOWS, MAX_FLOWS);
	return 0;
}

static int alloc_datapath(const struct datapath_options *options, struct datapath **ret)
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));

	if (!datapath)
		return -ENOMEM;
	datapath->lock_fd = -1;
	maps_init(&datapath->maps);
	datapath->pin_dir = strdup(options->pin_dir);
	datapath->cgroup = strdup(options->cgroup ? options->cgroup : "");
	if (!datapath->pin_dir || !datapath->cgroup) {
		datapath_close(datapath);
		return -ENOMEM;
	}
	*ret = datapath;
	return 0;
}

static void note_capacities(struct datapath *datapath, const struct datapath_options *options)
{
	uint32_t n_services = datapath->maps.capacities[MAP_SERVICES];
	uint32_t n_backends = datapath->maps.capacities[MAP_BACKENDS4];
	uint32_t n_flows = datapath->maps.capacities[MAP_FLOWS4] / 2;

	if (n_services != options->max_services || n_backends != options->max_backends)
		snprintf(datapath->note, sizeof(datapath->note),
			 "the maps were made with --max-services %u --max-backends %u; %u and %u "
			 "take effect after \"svcbpf cleanup\"",
			 n_services, n_backends, options->max_services, options->max_backends);
	else if (n_flows != options->max_flows)
		snprintf(datapath->note, sizeof(datapath->note),
			 "the flow tables were made with --max-flows %u; %u takes effect after "
			 "\"svcbpf cleanup\", or a run with --devices none",
			 n_flows, options->max_flows);
}

static void describe(struct datapath *datapath, const struct datapath_options *options,
		     uint32_t features)
{
	struct svc_meta *meta = datapath->maps.meta;

	meta->abi = SVC_ABI_VERSION;
	meta->max_services = datapath->maps.capacities[MAP_SERVICES];
	meta->max_backends = datapath->maps.capacities[MAP_BACKENDS4];
	meta->features = features;
	meta->maglev_size = (uint16_t)datapath->shadow.maglev_size;
	meta->algorithm = options->algorithm;
	meta->netns_inode = require_netns_inode();
	meta->agent_pid = (uint32_t)getpid();
	meta->start_ns = clock_now_ns(CLOCK_REALTIME);
	copy_text(meta->node, sizeof(meta->node), options->node);
	copy_text(meta->version, sizeof(meta->version), options->version);
	__atomic_store_n(&meta->magic, SVC_META_MAGIC, __ATOMIC_RELEASE);
}

static int draw_seed(__u64 *ret_seed)
{
	__u64 seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	*ret_seed = seed | 1; /* 0: not drawn yet */
	return 0;
}

static int load_programs(struct datapath *datapath, const struct datapath_options *options,
			 uint32_t features, struct datapath_error *ret_error)
{
	const struct object_request request = {.features = features};
	const struct packet_path_options packet = {
		.pin_dir = datapath->pin_dir,
		.maps = &datapath->maps,
		.config = &options->packet,
		.is_clsact = options->is_clsact || !(features & SVC_FEATURE_TCX),
		.xdp = options->xdp,
	};
	int r = object_load(&datapath->maps, &request, &datapath->object, ret_error);

	if (!r && options->max_flows)
		r = packet_path_open(&packet, &datapath->packet_path, ret_error);
	return r;
}

/* Maps first, then the programs, then the pins: a host that cannot load them keeps nothing. */
static int open_maps(struct datapath *datapath, const struct datapath_options *options,
		     uint32_t features, bool is_loading, struct datapath_error *ret_error)
{
	const struct map_sizes sizes = {
		.max_services = options->max_services,
		.max_backends = options->max_backends,
		.max_flows = options->max_flows,
	};
	char dir[PIN_PATH_BYTES];
	int r;

	pin_maps_dir(datapath->pin_dir, dir);
	r = maps_open(&datapath->maps, dir, &sizes, ret_error);
	if (!r && !datapath->maps.meta->hash_seed)
		r = draw_seed(&datapath->maps.meta->hash_seed);
	if (!r && is_loading)
		r = load_programs(datapath, options, features, ret_error);
	if (!r)
		r = pin_make_dirs(datapath->pin_dir, ret_error);
	if (!r)
		r = maps_pin(&datapath->maps, dir, ret_error);
	return r;
}

static int adopt(struct datapath *datapath, const struct datapath_options *options,
		 struct datapath_error *ret_error)
{
	const struct svc_meta *meta = datapath->maps.meta;
	int r;

	if (meta->last_sync_ns)
		datapath->adopted_ns =
			meta->source_contact_ns ? meta->source_contact_ns : meta->last_sync_ns;

	r = shadow_init(&datapath->shadow, &datapath->maps);
	if (options->max_flows)
		datapath->shadow.maglev_size = options->packet.maglev_size;
	if (!r)
		r = adopt_read(&datapath->shadow);
	if (r == -EUCLEAN)
		return error_set(ret_error, r,
				 "the maps in %s contradict each other: run \"svcbpf cleanup\"",
				 datapath->pin_dir);
	if (r < 0)
		return error_set(ret_error, r, "cannot read the maps in %s: %s", datapath->pin_dir,
				 strerror(-r));
	return 0;
}

/* The first grace period is for what an agent before this one deleted just before it died. */
static int start_threads(struct datapath *datapath, uint32_t features,
			 struct datapath_error *ret_error)
{
	int r;

	r = grace_new(&datapath->grace);
	if (!r && features & SVC_FEATURE_SOCK_DESTROY)
		r = sweeper_new(datapath->grace, &datapath->maps, features & SVC_FEATURE_CMPXCHG,
				&datapath->sweeper);
	if (r < 0)
		return error_set(ret_error, r, "cannot start a thread: %s", strerror(-r));
	datapath->seq = datapath->deleted_seq = 1;
	grace_request(datapath->grace, datapath->seq);
	return 0;
}

/* Flows that an agent with the packet path has left time out in nobody's hands. */
static int start_collector(struct datapath *datapath, const struct datapath_options *options,
			   struct datapath_error *ret_error)
{
	struct flow_collector_options collector = {
		.grace = datapath->grace,
		.maps = &datapath->maps,
		.interval_ms = FLOW_COLLECTOR_INTERVAL_MS,
	};
	int r;

	datapath->maps.meta->flows = (struct svc_flow_report){};
	if (!options->max_flows)
		return 0;
	memcpy(collector.timeouts_s, options->packet.timeouts_s, sizeof(collector.timeouts_s));
	r = flow_collector_new(&collector, &datapath->collector);
	if (r < 0)
		return error_set(ret_error, r, "cannot start a thread: %s", strerror(-r));
	return 0;
}

/* One for each pin directory: the programs of two agents may sit on one cgroup. */
static uint16_t selftest_port(const struct datapath *datapath)
{
	struct stat st;

	if (stat(datapath->pin_dir, &st) < 0)
		return SELFTEST_MAX_PORT;
	return (uint16_t)(st.st_ino % SELFTEST_MAX_PORT + 1);
}

/*
 * The self-test's service ports are staged like all others, and first: a cluster that does not fit
 * must not push them out.
 */
static int stage_selftest(struct datapath *datapath)
{
	const struct service_port *ports;
	size_t n_ports, i;
	int r;

	datapath->selftest_error = selftest_open(selftest_port(datapath), &datapath->selftest);
	if (!datapath->selftest)
		return 0;
	ports = selftest_ports(datapath->selftest, &n_ports);
	for (i = 0; i < n_ports; i++) {
		r = datapath_put(datapath, &ports[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill(struct datapath *datapath, const struct datapath_options *options, bool is_loading,
		struct datapath_error *ret_error)
{
	uint32_t features;
	int r;

	r = pin_lock(options->pin_dir, &datapath->lock_fd, ret_error);
	if (r < 0)
		return r;
	features = is_loading ? require_probe_features() : 0;
	r = open_maps(datapath, options, features, is_loading, ret_error);
	if (!r)
		r = adopt(datapath, options, ret_error);
	if (!r)
		r = start_threads(datapath, features, ret_error);
	if (!r && is_loading)
		r = start_collector(datapath, options, ret_error);
	if (r < 0)
		return r;
	note_capacities(datapath, options);
	describe(datapath, options, features);
	return is_loading ? stage_selftest(datapath) : 0;
}

static int open_datapath(const struct datapath_options *options, bool is_loading,
			 struct datapath **ret, struct datapath_error *ret_error)
{
	struct datapath *datapath;
	int r;

	r = check_options(options, ret_error);
	if (!r)
		r = require_kernel(NULL, ret_error);
	if (!r)
		r = require_capabilities(is_loading, ret_error);
	if (r < 0)
		return r;
	r = alloc_datapath(options, &datapath);
	if (r < 0)
		return error_set(ret_error, r, "out of memory");
	r = fill(datapath, options, is_loading, ret_error);
	if (r < 0) {
		if (datapath->lock_fd >= 0)
			pin_remove_empty(options->pin_dir);
		datapath_close(datapath);
		return r;
	}
	*ret = datapath;
	return 0;
}

int datapath_open(const struct datapath_options *options, struct datapath **ret,
		  struct datapath_error *ret_error)
{
	return open_datapath(options, true, ret, ret_error);
}

int datapath_open_unloaded(const struct datapath_options *options, struct datapath **ret,
			   struct datapath_error *ret_error)
{
	return open_datapath(options, false, ret, ret_error);
}

void datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return;
	sweeper_free(datapath->sweeper);
	flow_collector_free(datapath->collector);
	grace_free(datapath->grace);
	selftest_close(datapath->selftest);
	packet_path_free(datapath->packet_path);
	object_free(datapath->object);
	stage_clear(&datapath->stage);
	shadow_clear(&datapath->shadow);
	maps_close(&datapath->maps);
	cleanup_close(&datapath->lock_fd);
	free(datapath->pin_dir);
	free(datapath->cgroup);
	free(datapath);
}

void datapath_set_zone(struct datapath *datapath, const char *zone)
{
	struct svc_meta *meta = datapath->maps.meta;

	copy_text(meta->zone, sizeof(meta->zone), zone);
}

void datapath_set_source(struct datapath *datapath, const struct datapath_source *source)
{
	struct svc_meta *meta = datapath->maps.meta;

	meta->source_kind = source->kind;
	meta->source_state = source->state;
	meta->source_contact_ns = source->contact_ns;
	copy_text(meta->source, sizeof(meta->source), source->name);
}

uint64_t datapath_adopted_ns(const struct datapath *datapath)
{
	return datapath->adopted_ns;
}

int datapath_put(struct datapath *datapath, const struct service_port *port)
{
	struct svc_service_info info;
	int r;

	r = convert_info(&port->key, &info);
	if (r < 0)
		return r;
	return stage_put(&datapath->stage, &info, port);
}

int datapath_remove(struct datapath *datapath, const struct service_port_key *key)
{
	struct svc_service_info info;

	if (convert_info(key, &info) < 0)
		return 0; /* was never put */
	return stage_put(&datapath->stage, &info, NULL);
}

int datapath_put_health(struct datapath *datapath, const struct health_check *check)
{
	return health_put(&datapath->shadow, check);
}

int datapath_grace_fd(const struct datapath *datapath)
{
	return grace_fd(datapath->grace);
}

void datapath_grace_done(struct datapath *datapath)
{
	uint64_t done = grace_done(datapath->grace);
	int i;

	if (shadow_collect(&datapath->shadow, done))
		datapath->has_space = true;
	if (!datapath->deleted_seq || datapath->deleted_seq > done)
		return;
	datapath->deleted_seq = 0;
	for (i = 0; i < N_FAMILIES; i++)
		frontend_table_settle(datapath->shadow.tables[i]);
}

bool datapath_wants_commit(const struct datapath *datapath)
{
	const struct staged *staged;

	for (staged = datapath->stage.table; staged; staged = staged->hh.next) {
		if (staged->is_failed || staged->lacks_table)
			return datapath->has_space;
	}
	return false;
}

uint64_t datapath_n_written(const struct datapath *datapath)
{
	return datapath->n_written;
}

bool datapath_stale_udp(const struct datapath *datapath, struct stale_udp_result *ret_result)
{
	return datapath->sweeper && sweeper_result(datapath->sweeper, ret_result) > 0;
}

void datapath_for_each_problem(const struct datapath *datapath,
			       void (*fn)(void *arg, const char *service, const char *text),
			       void *arg)
{
	const struct staged *staged;
	char service[136];

	if (datapath->note[0])
		fn(arg, "capacity", datapath->note);
	if (datapath->packet_path)
		packet_path_for_each_problem(datapath->packet_path, fn, arg);
	for (staged = datapath->stage.table; staged; staged = staged->hh.next) {
		if (!staged->problem)
			continue;
		snprintf(service, sizeof(service), "%s/%s", staged->info.namespace,
			 staged->info.name);
		fn(arg, service, staged->problem);
	}
}

int datapath_set_problems(struct datapath *datapath, const char *const *lines, size_t n_lines)
{
	struct svc_problem problem;
	uint32_t i, n;
	int r;

	n = n_lines < SVC_MAX_PROBLEMS ? (uint32_t)n_lines : SVC_MAX_PROBLEMS;
	for (i = 0; i < n; i++) {
		copy_text(problem.text, sizeof(problem.text), lines[i]);
		r = maps_insert(&datapath->maps, MAP_PROBLEMS, &i, &problem);
		if (r < 0)
			return r;
	}
	__atomic_store_n(&datapath->maps.meta->n_problems, n, __ATOMIC_RELEASE);
	return 0;
}

int datapath_attach(struct datapath *datapath, struct datapath_error *ret_error)
{
	char links_dir[PIN_PATH_BYTES];
	struct attach_request request = {
		.object = datapath->object,
		.links_dir = pin_links_dir(datapath->pin_dir, links_dir),
		.cgroup = datapath->cgroup,
	};
	struct svc_meta *meta = datapath->maps.meta;
	_close_ int cgroup_fd = -1;
	int r;

	if (!datapath->object)
		return error_set(ret_error, -EINVAL, "the programs are not loaded");
	cgroup_fd = attach_open_cgroup(datapath->cgroup, &request.cgroup_id, ret_error);
	if (cgroup_fd < 0)
		return cgroup_fd;
	request.cgroup_fd = cgroup_fd;
	r = attach_all(&request, ret_error);
	if (r < 0)
		return r;
	meta->cgroup_id = request.cgroup_id;
	copy_text(meta->cgroup_path, sizeof(meta->cgroup_path), datapath->cgroup);
	if (!datapath->packet_path)
		r = packet_path_remove(datapath->pin_dir, ret_error); /* an earlier run's */
	if (r < 0)
		return r;
	r = pin_remove_other_abis(datapath->pin_dir);
	if (r < 0)
		return error_set(ret_error, r, "cannot remove an older version's maps in %s: %s",
				 datapath->pin_dir, strerror(-r));
	return 0;
}

int datapath_set_devices(struct datapath *datapath, const struct device *devices, size_t n_devices,
			 uint32_t budget_ms)
{
	return datapath->packet_path
		       ? packet_path_apply(datapath->packet_path, devices, n_devices, budget_ms)
		       : 0;
}

int datapath_set_more_devices(struct datapath *datapath, uint32_t budget_ms)
{
	return datapath->packet_path ? packet_path_apply_more(datapath->packet_path, budget_ms) : 0;
}

size_t datapath_n_devices(const struct datapath *datapath)
{
	return datapath->packet_path ? packet_path_n_served(datapath->packet_path) : 0;
}

void datapath_for_each_xdp(const struct datapath *datapath,
			   void (*fn)(void *arg, const char *device, const char *text), void *arg)
{
	if (datapath->packet_path)
		packet_path_for_each_xdp(datapath->packet_path, fn, arg);
}

static int run_selftest(struct datapath *datapath, struct datapath_error *ret_error)
{
	struct selftest_result result;
	int r;

	if (!datapath->selftest)
		return error_set(ret_error, datapath->selftest_error,
				 "not tested: cannot open a socket on loopback: %s",
				 strerror(-datapath->selftest_error));
	r = selftest_run(datapath->selftest, datapath->cgroup, SELFTEST_TIMEOUT_MS, &result);
	if (r < 0)
		return error_set(ret_error, r, "not tested: cannot start a process: %s",
				 strerror(-r));
	if (result.outcome == SELFTEST_PASSED)
		return 0;
	return error_set(ret_error,
			 result.outcome == SELFTEST_FAILED ? -EHOSTUNREACH : result.error, "%s",
			 result.text);
}

int datapath_selftest(struct datapath *datapath, struct datapath_error *ret_error)
{
	struct svc_meta *meta = datapath->maps.meta;
	int r;

	r = run_selftest(datapath, ret_error);
	meta->selftest_result = r;
	meta->selftest_ns = clock_now_ns(CLOCK_REALTIME);
	return r;
}
