/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1: every field of Kubernetes 1.20 to 1.36
 * is known here; those with a meaning become options, the others are named as ignored when
 * somebody has set them to something else than nothing or kube-proxy's default.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/config_reader.h"
#include "cmd/nearest.h"
#include "source/parse.h"
#include "util/addr.h"
#include "util/cleanup.h"

#define API_VERSION    "kubeproxy.config.k8s.io/v1alpha1"
#define KIND	       "KubeProxyConfiguration"
#define NAME_MAX_BYTES 256

/* kube-proxy's own defaults, where they differ from the kernel's. */
#define PROXY_TIMEOUTS "tcp-established=24h,tcp-close-wait=1h"

enum field_type {
	FIELD_STRING,
	FIELD_BOOL,
	FIELD_NUMBER,
	FIELD_DURATION, /* "1h30m"; 0 */
	FIELD_STRINGS,
	FIELD_OBJECT, /* its fields are in the table */
	FIELD_ANY,    /* whatever is in it is ignored */
};

/**
 * struct field - a field by its full name.
 * @option: what it sets; NULL: nothing, it is ignored.
 * @words: of a string: "|a|b|", all it may be besides "".
 * @normal: its default, "|a|b|" when there are several spellings; NULL: none but nothing.
 * @state, @zero: of an idle time: whose it is, and the kernel's own, which 0 stands for.
 * @port: of an address: what kube-proxy appends when there is none.
 */
struct field {
	const char *name;
	const char *option;
	const char *words;
	const char *normal;
	const char *state;
	const char *zero;
	enum field_type type;
	uint16_t port;
};

static const struct field fields[] = {
	{.name = "apiVersion",
	 .type = FIELD_STRING,
	 .words = "|" API_VERSION "|",
	 .normal = "|" API_VERSION "|"},
	{.name = "kind", .type = FIELD_STRING, .words = "|" KIND "|", .normal = "|" KIND "|"},

	{.name = "clientConnection", .type = FIELD_OBJECT},
	{.name = "clientConnection.kubeconfig", .type = FIELD_STRING, .option = "kubeconfig"},
	{.name = "hostnameOverride", .type = FIELD_STRING, .option = "node-name"},
	{.name = "healthzBindAddress",
	 .type = FIELD_STRING,
	 .option = "healthz-bind-address",
	 .port = 10256},
	{.name = "metricsBindAddress",
	 .type = FIELD_STRING,
	 .option = "metrics-bind-address",
	 .port = 10249},
	{.name = "bindAddressHardFail", .type = FIELD_BOOL, .option = "bind-address-hard-fail"},
	{.name = "nodePortAddresses", .type = FIELD_STRINGS, .option = "nodeport-addresses"},
	{.name = "logging", .type = FIELD_OBJECT},
	{.name = "logging.format",
	 .type = FIELD_STRING,
	 .option = "log-format",
	 .words = "|text|json|"},

	{.name = "mode", .type = FIELD_STRING, .words = "|iptables|ipvs|nftables|kernelspace|"},
	{.name = "bindAddress", .type = FIELD_STRING, .normal = "|0.0.0.0|::|"},
	{.name = "clientConnection.acceptContentTypes", .type = FIELD_STRING},
	{.name = "clientConnection.contentType",
	 .type = FIELD_STRING,
	 .normal = "|application/vnd.kubernetes.protobuf|"},
	{.name = "clientConnection.qps", .type = FIELD_NUMBER, .normal = "|5|"},
	{.name = "clientConnection.burst", .type = FIELD_NUMBER, .normal = "|10|"},
	{.name = "clusterCIDR", .type = FIELD_STRING},
	{.name = "configSyncPeriod", .type = FIELD_DURATION, .normal = "|15m|15m0s|"},
	{.name = "detectLocalMode",
	 .type = FIELD_STRING,
	 .words = "|ClusterCIDR|NodeCIDR|BridgeInterface|InterfaceNamePrefix|"},
	{.name = "detectLocal", .type = FIELD_OBJECT},
	{.name = "detectLocal.bridgeInterface", .type = FIELD_STRING},
	{.name = "detectLocal.interfaceNamePrefix", .type = FIELD_STRING},
	{.name = "enableProfiling", .type = FIELD_BOOL},
	{.name = "featureGates", .type = FIELD_ANY},
	{.name = "oomScoreAdj", .type = FIELD_NUMBER, .normal = "|-999|"},
	{.name = "portRange", .type = FIELD_STRING},
	{.name = "showHiddenMetricsForVersion", .type = FIELD_STRING},
	{.name = "udpIdleTimeout", .type = FIELD_DURATION, .normal = "|250ms|"},
	{.name = "windowsRunAsService", .type = FIELD_BOOL},
	{.name = "logging.verbosity", .type = FIELD_NUMBER},
	{.name = "logging.flushFrequency", .type = FIELD_ANY, .normal = "|5s|5000000000|"},
	{.name = "logging.vmodule", .type = FIELD_ANY},
	{.name = "logging.options", .type = FIELD_ANY},

	{.name = "conntrack", .type = FIELD_OBJECT},
	{.name = "conntrack.maxPerCore", .type = FIELD_NUMBER, .normal = "|32768|"},
	{.name = "conntrack.min", .type = FIELD_NUMBER, .normal = "|131072|"},
	{.name = "conntrack.tcpBeLiberal", .type = FIELD_BOOL},
	{.name = "conntrack.tcpEstablishedTimeout",
	 .type = FIELD_DURATION,
	 .option = "flow-timeout",
	 .state = "tcp-established",
	 .zero = "432000s"},
	{.name = "conntrack.tcpCloseWaitTimeout",
	 .type = FIELD_DURATION,
	 .option = "flow-timeout",
	 .state = "tcp-close-wait",
	 .zero = "60s"},
	{.name = "conntrack.udpTimeout",
	 .type = FIELD_DURATION,
	 .option = "flow-timeout",
	 .state = "udp",
	 .zero = "30s"},
	{.name = "conntrack.udpStreamTimeout",
	 .type = FIELD_DURATION,
	 .option = "flow-timeout",
	 .state = "udp-stream",
	 .zero = "120s"},

	{.name = "iptables", .type = FIELD_OBJECT},
	{.name = "iptables.localhostNodePorts", .type = FIELD_BOOL, .normal = "|true|"},
	{.name = "iptables.masqueradeAll", .type = FIELD_BOOL},
	{.name = "iptables.masqueradeBit", .type = FIELD_NUMBER, .normal = "|14|"},
	{.name = "iptables.minSyncPeriod", .type = FIELD_DURATION, .normal = "|1s|"},
	{.name = "iptables.syncPeriod", .type = FIELD_DURATION, .normal = "|30s|"},

	{.name = "nftables", .type = FIELD_OBJECT},
	{.name = "nftables.masqueradeAll", .type = FIELD_BOOL},
	{.name = "nftables.masqueradeBit", .type = FIELD_NUMBER, .normal = "|14|"},
	{.name = "nftables.minSyncPeriod", .type = FIELD_DURATION, .normal = "|1s|"},
	{.name = "nftables.syncPeriod", .type = FIELD_DURATION, .normal = "|30s|"},

	{.name = "ipvs", .type = FIELD_OBJECT},
	{.name = "ipvs.excludeCIDRs", .type = FIELD_STRINGS},
	{.name = "ipvs.masqueradeAll", .type = FIELD_BOOL},
	{.name = "ipvs.minSyncPeriod", .type = FIELD_DURATION, .normal = "|1s|"},
	{.name = "ipvs.scheduler", .type = FIELD_STRING},
	{.name = "ipvs.strictARP", .type = FIELD_BOOL},
	{.name = "ipvs.syncPeriod", .type = FIELD_DURATION, .normal = "|30s|"},
	{.name = "ipvs.tcpFinTimeout", .type = FIELD_DURATION},
	{.name = "ipvs.tcpTimeout", .type = FIELD_DURATION},
	{.name = "ipvs.udpTimeout", .type = FIELD_DURATION},

	{.name = "winkernel", .type = FIELD_OBJECT},
	{.name = "winkernel.enableDSR", .type = FIELD_BOOL},
	{.name = "winkernel.forwardHealthCheckVip", .type = FIELD_BOOL},
	{.name = "winkernel.networkName", .type = FIELD_STRING},
	{.name = "winkernel.rootHnsEndpointName", .type = FIELD_STRING},
	{.name = "winkernel.sourceVip", .type = FIELD_STRING},
};

static const struct field *find_field(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static int fail_unknown(const struct config_reader *reader, const cJSON *node, const char *name)
{
	struct nearest nearest = NEAREST_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		nearest_try(&nearest, name, fields[i].name);
	return config_fail_unknown(reader, node, name, nearest.word);
}

/* ------------------------------------------------------------------ types */

/* As Go's time.ParseDuration, "1h30m"; which units is of no interest here. */
static bool is_duration(const char *text)
{
	text += *text == '-' || *text == '+';
	if (strcmp(text, "0") == 0)
		return true;
	if (!*text)
		return false;
	while (*text) {
		const size_t n_digits = strspn(text, "0123456789.");
		const size_t n_letters = strspn(text + n_digits, "hmsnu\xc2\xb5\xce\xbc");

		if (!n_digits || !n_letters)
			return false;
		text += n_digits + n_letters;
	}
	return true;
}

static bool has_type(const struct field *field, const cJSON *node)
{
	switch (field->type) {
	case FIELD_STRING:
		return cJSON_IsString(node);
	case FIELD_BOOL:
		return cJSON_IsBool(node);
	case FIELD_NUMBER:
		return cJSON_IsNumber(node);
	case FIELD_DURATION:
		return (cJSON_IsString(node) && is_duration(node->valuestring)) ||
		       cJSON_IsNumber(node);
	case FIELD_STRINGS:
		return cJSON_IsArray(node);
	case FIELD_OBJECT:
		return cJSON_IsObject(node);
	case FIELD_ANY:
		return true;
	}
	return false;
}

static const char *expected(enum field_type type)
{
	static const char *const texts[] = {
		[FIELD_STRING] = "a string",
		[FIELD_BOOL] = "true or false",
		[FIELD_NUMBER] = "a number",
		[FIELD_DURATION] = "a duration like 30s",
		[FIELD_STRINGS] = "a list of strings",
		[FIELD_OBJECT] = "an object",
		[FIELD_ANY] = "anything",
	};

	return texts[type];
}

/* Whether @text is one of "|a|b|". */
static bool is_word(const char *words, const char *text)
{
	const size_t len = strlen(text);

	for (const char *at = words; at && at[1]; at = strchr(at + 1, '|'))
		if (strncmp(at + 1, text, len) == 0 && at[1 + len] == '|')
			return true;
	return false;
}

static int check(const struct config_reader *reader, const struct field *field, const cJSON *node)
{
	if (!has_type(field, node)) {
		if (cJSON_IsString(node))
			return config_fail(reader, node, "%s: '%s' is not %s", field->name,
					   node->valuestring, expected(field->type));
		return config_fail(reader, node, "%s: must be %s, not %s", field->name,
				   expected(field->type), config_type_name(node));
	}
	if (field->words && *node->valuestring && !is_word(field->words, node->valuestring)) {
		const int len = (int)strlen(field->words) - 2;

		return config_fail(reader, node, "%s: '%s' is unknown; known: %.*s", field->name,
				   node->valuestring, len, field->words + 1);
	}
	return 0;
}

/* ------------------------------------------------------------------ what becomes of a field */

/* Nothing, in all the ways it can be written; what kubeadm writes is full of it. */
static bool is_nothing(const cJSON *node)
{
	const cJSON *child;

	if (cJSON_IsString(node))
		return !*node->valuestring || is_word("|0|0s|", node->valuestring);
	if (cJSON_IsNumber(node))
		return node->valuedouble == 0;
	if (!cJSON_IsArray(node) && !cJSON_IsObject(node))
		return !cJSON_IsTrue(node);
	cJSON_ArrayForEach(child, node)
		if (!is_nothing(child))
			return false;
	return true;
}

/* As kube-proxy runs without the field, so that nobody misses it. */
static bool is_normal(const struct field *field, const cJSON *node)
{
	char text[32];

	if (!field->normal)
		return is_nothing(node);
	if (cJSON_IsBool(node)) /* nothing is not the default */
		return is_word(field->normal, cJSON_IsTrue(node) ? "true" : "false");
	if (is_nothing(node))
		return true;
	if (cJSON_IsString(node))
		return is_word(field->normal, node->valuestring);
	snprintf(text, sizeof(text), "%.17g", node->valuedouble);
	return cJSON_IsNumber(node) && is_word(field->normal, text);
}

/* As kube-proxy's AppendPortIfNeeded(). */
static int add_address(struct config_reader *reader, const struct field *field, const cJSON *node)
{
	char text[ADDR_TEXT_MAX + 16];
	struct addr addr;

	if (addr_parse(node->valuestring, &addr) < 0)
		return config_add(reader, node, field->option, node->valuestring);
	snprintf(text, sizeof(text), strchr(node->valuestring, ':') ? "[%s]:%u" : "%s:%u",
		 node->valuestring, field->port);
	return config_add(reader, node, field->option, text);
}

/* A number is nanoseconds, as Go has a duration. */
static int add_timeout(struct config_reader *reader, const struct field *field, const cJSON *node)
{
	char text[96];

	if (is_nothing(node))
		snprintf(text, sizeof(text), "%s=%s", field->state, field->zero);
	else if (cJSON_IsNumber(node))
		snprintf(text, sizeof(text), "%s=%.0fns", field->state, node->valuedouble);
	else
		snprintf(text, sizeof(text), "%s=%.64s", field->state, node->valuestring);
	return config_add(reader, node, field->option, text);
}

/* An empty text or list is no value, other than for an option: kube-proxy then takes its default.
 */
static int obey(struct config_reader *reader, const struct field *field, const cJSON *node)
{
	if (field->type == FIELD_STRINGS)
		return config_add_strings(reader, node, field->option, ",");
	if (field->state)
		return add_timeout(reader, field, node);
	if (is_nothing(node))
		return 0;
	if (field->type == FIELD_BOOL)
		return config_add(reader, node, field->option, NULL);
	if (field->port)
		return add_address(reader, field, node);
	return config_add(reader, node, field->option, node->valuestring);
}

static int read_object(struct config_reader *reader, const cJSON *object, const char *way);

static int read_field(struct config_reader *reader, const cJSON *node, const char *way)
{
	char name[NAME_MAX_BYTES];
	const struct field *field;
	int r;

	snprintf(name, sizeof(name), "%s%s%s", way, *way ? "." : "", node->string);
	field = find_field(name);
	if (!field)
		return fail_unknown(reader, node, name);
	if (cJSON_IsNull(node))
		return 0;
	r = check(reader, field, node);
	if (r < 0)
		return r;
	if (field->type == FIELD_OBJECT)
		return read_object(reader, node, field->name);
	if (field->option)
		return obey(reader, field, node);
	return is_normal(field, node) ? 0 : config_ignore(reader, node, field->name);
}

/* Two levels at most: the table has no deeper ones. */
static int read_object(struct config_reader *reader, const cJSON *object, const char *way)
{
	const cJSON *node;

	cJSON_ArrayForEach(node, object) {
		int r = read_field(reader, node, way);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_text(const struct config_reader *reader, const cJSON *json, const char *name,
		      const char *text)
{
	const cJSON *node = cJSON_GetObjectItemCaseSensitive(json, name);

	if (!node)
		return config_fail(reader, json, "%s is missing: it must be %s", name, text);
	if (!cJSON_IsString(node) || strcmp(node->valuestring, text) != 0)
		return config_fail(reader, node, "%s: must be %s", name, text);
	return 0;
}

int config_read_proxy(struct config_reader *reader)
{
	const cJSON *json = reader->parsed->json;
	int r = check_text(reader, json, "apiVersion", API_VERSION);

	if (r == 0)
		r = check_text(reader, json, "kind", KIND);
	if (r == 0)
		r = config_add(reader, json, "flow-timeout", PROXY_TIMEOUTS);
	return r == 0 ? read_object(reader, json, "") : r;
}
