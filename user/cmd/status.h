/* SPDX-License-Identifier: Apache-2.0 */
/* What `svcbpf status` knows: collected once, then shown as text or as a document. */
#ifndef SVCBPF_CMD_STATUS_H
#define SVCBPF_CMD_STATUS_H

#include "cmd/print_doc.h"
#include "datapath/datapath.h"

/** STATUS_WARN_PERCENT - a map fuller than this needs attention. */
#define STATUS_WARN_PERCENT 80

/** STATUS_MAX_REASONS - most things that can be wrong at once. */
#define STATUS_MAX_REASONS 64

/** struct status_link - an attached program. @cgroup_id: 0: its cgroup is gone. */
struct status_link {
	char name[64];
	uint32_t program_id;
	uint64_t cgroup_id;
};

/** struct status_feature - something a kernel may lack. @effect: what the lack means to users. */
struct status_feature {
	uint32_t bit; /* SVC_FEATURE_* */
	const char *name;
	const char *text;
	const char *effect;
};

/**
 * struct status - all that is shown.
 * @pin_dir: borrowed.  @meta: a copy.
 * @now_ns: CLOCK_REALTIME when it was collected.
 * @is_elsewhere: the agent, and its devices, are in another network namespace.
 * @reasons: what is wrong, one line each; none: all is well.
 */
struct status {
	const char *pin_dir;
	struct svc_meta meta;
	uint64_t now_ns;
	bool is_running;
	struct status_link *links;
	size_t n_links;
	struct datapath_map_fill *fills;
	size_t n_fills;
	bool has_services[2]; /* IPv4, IPv6 */
	struct svc_problem *problems;
	size_t n_problems;
	bool is_elsewhere;
	struct datapath_device *devices;
	size_t n_devices;
	char reasons[STATUS_MAX_REASONS][512];
	size_t n_reasons;
};

/** status_features() - all features, present or not. */
const struct status_feature *status_features(size_t *ret_n);

/**
 * status_collect() - read everything from the pins.
 * @ret: zeroed before; give it to status_clear() in any case.
 * Return: 0; -ENOMEM; negative errno of bpf(2).
 */
int status_collect(const struct datapath_reader *reader, const char *pin_dir, struct status *ret);

/** status_judge() - find what is wrong; fills @status->reasons from the rest. */
void status_judge(struct status *status);

/** status_add_reason() - one more thing that is wrong; those beyond the limit are left out. */
void status_add_reason(struct status *status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** status_judge_flows() - what is wrong with the flow table; nothing without the packet path. */
void status_judge_flows(struct status *status);

/** status_fill() - how full a map is; NULL: it is not there. */
const struct datapath_map_fill *status_fill(const struct status *status, const char *map);

/** status_has_flows() - whether there is a flow table: the packet path is in use. */
bool status_has_flows(const struct status *status);

/** status_print_flows() - the line about the flow table, if there is one. */
void status_print_flows(FILE *out, const struct status *status);

/** status_flows_json() - the flow table for programs; null without one. Return: NULL: no memory. */
cJSON *status_flows_json(const struct status *status);

/** status_selftest_result() - "never", "passed", "failed" or "not tested". */
const char *status_selftest_result(const struct svc_meta *meta);

/** status_selftest_error() - why it did not pass; NULL when it did, or never ran. */
const char *status_selftest_error(const struct svc_meta *meta);

/** status_source_kind() - "manifests" or "kubernetes"; NULL before the first start. */
const char *status_source_kind(const struct svc_meta *meta);

/** status_source_state() - "starting", "in step", "lost" or "not reached yet". */
const char *status_source_state(const struct svc_meta *meta);

/** status_collect_devices() - its part of status_collect(). Return: 0; -ENOMEM; negative errno. */
int status_collect_devices(const struct datapath_reader *reader, struct status *status);

/** status_judge_devices() - which devices lack their packet programs. */
void status_judge_devices(struct status *status);

/** status_print_devices() - the lines about them, or that there is no packet path. */
void status_print_devices(FILE *out, const struct status *status);

/** status_devices_doc() - the list "devices". Return: 0; -ENOMEM; -EIO. */
int status_devices_doc(struct print_doc *doc, const struct status *status);

/** status_clear() - free what it owns. */
void status_clear(struct status *status);

/** status_print_text() - for people. */
int status_print_text(FILE *out, const struct status *status);

/** status_print_doc() - JSON or YAML. Return: 0; -ENOMEM; -EIO. */
int status_print_doc(FILE *out, enum print_format format, const struct status *status);

/** STATUS_AGE_MAX - bytes that hold any text of status_format_age(), NUL included. */
#define STATUS_AGE_MAX 32

/** status_format_age() - "12 s", "27 min", "5 h", "3 d". Return: @buf. */
const char *status_format_age(uint64_t age_ns, char buf[STATUS_AGE_MAX]);

/** STATUS_TIME_MAX - bytes that hold any text of status_format_time(), NUL included. */
#define STATUS_TIME_MAX 32

/** status_format_time() - RFC 3339 in UTC, to the second. @ns: CLOCK_REALTIME. Return: @buf. */
const char *status_format_time(uint64_t ns, char buf[STATUS_TIME_MAX]);

#endif
