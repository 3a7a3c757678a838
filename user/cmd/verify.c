/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/drift.h"
#include "cmd/pins.h"
#include "cmd/plan.h"
#include "cmd/print.h"
#include "util/cleanup.h"

/* Where the differences go: lines, or rows of a document. */
struct sink {
	struct print_doc *doc; /* NULL: lines */
	size_t n_drifts;
};

static bool add_text(cJSON *object, const char *key, const char *text)
{
	return text ? cJSON_AddStringToObject(object, key, text)
		    : cJSON_AddNullToObject(object, key);
}

static cJSON *drift_json(const struct drift *drift)
{
	const struct service_port_key *key = drift->key;
	cJSON *object = cJSON_CreateObject();

	if (add_text(object, "service", *drift->service ? drift->service : NULL) &&
	    add_text(object, "portName", key ? key->port_name : NULL) &&
	    add_text(object, "family", key ? print_family_name(key->family) : NULL) &&
	    add_text(object, "protocol", key ? protocol_name(key->protocol) : NULL) &&
	    add_text(object, "what", drift->what) &&
	    add_text(object, "item", *drift->item ? drift->item : NULL) &&
	    add_text(object, "planned", drift->planned) &&
	    add_text(object, "inKernel", drift->in_kernel))
		return object;
	cJSON_Delete(object);
	return NULL;
}

static int tell(void *arg, const struct drift *drift)
{
	struct sink *sink = arg;
	char line[DRIFT_TEXT_MAX * 4];

	sink->n_drifts++;
	if (sink->doc)
		return print_doc_row(sink->doc, drift_json(drift));
	puts(drift_format(drift, line, sizeof(line)));
	return 0;
}

static int verify_lines(const struct options *options, const struct state *kernel,
			const struct state *plan, struct sink *sink)
{
	int r = drift_find(kernel, plan, options->service, tell, sink);

	if (r < 0)
		return r;
	if (sink->n_drifts)
		printf("the kernel differs from the plan: %zu difference%s\n", sink->n_drifts,
		       sink->n_drifts == 1 ? "" : "s");
	else
		puts("the kernel holds what is planned");
	return fflush(stdout) ? -EIO : 0;
}

static int verify_doc(const struct options *options, const struct state *kernel,
		      const struct state *plan, struct sink *sink)
{
	static const struct print_list list = {.key = "differences"};
	_cleanup_(print_doc_freep) struct print_doc *doc = NULL;
	int r = print_doc_open(stdout, options->format, &doc);

	if (r == 0)
		r = print_doc_string(doc, "node", state_node(plan));
	if (r == 0)
		r = print_doc_begin(doc, &list);
	sink->doc = doc;
	if (r == 0)
		r = drift_find(kernel, plan, options->service, tell, sink);
	if (r == 0)
		r = print_doc_end(doc);
	if (r == 0)
		r = print_doc_value(doc, "same", cJSON_CreateBool(!sink->n_drifts));
	return r < 0 ? r : print_doc_close(doc);
}

static int compare(const struct options *options, const struct state *kernel,
		   const struct state *plan)
{
	struct sink sink = {};
	int r = print_is_table(options->format) ? verify_lines(options, kernel, plan, &sink)
						: verify_doc(options, kernel, plan, &sink);

	if (r < 0)
		command_error("verify", "writing the output: %s", strerror(-r));
	return r < 0 || sink.n_drifts ? CMD_FAILED : CMD_OK;
}

/* As the agent that wrote them chooses: what is in the maps says how. */
static enum model_algorithm algorithm_of(const struct svc_meta *meta)
{
	if (!meta->maglev_size)
		return MODEL_ALGORITHM_NONE;
	return meta->algorithm == SVC_ALGORITHM_MAGLEV ? MODEL_ALGORITHM_MAGLEV
						       : MODEL_ALGORITHM_RANDOM;
}

static int read_kernel(const struct options *options, enum model_algorithm *ret_algorithm,
		       struct state **ret)
{
	_cleanup_(pins_closep) struct datapath_reader *reader = NULL;
	int r = pins_open("verify", options, &reader);

	if (r != CMD_OK)
		return r;
	datapath_reader_check_tables(reader);
	*ret_algorithm = algorithm_of(datapath_reader_meta(reader));
	return pins_state("verify", reader, ret);
}

int verify_main(const struct options *options)
{
	struct options with_algorithm = *options;
	_cleanup_(plan_state_freep) struct state *kernel = NULL;
	_cleanup_(plan_state_freep) struct state *plan = NULL;
	size_t n_rejected = 0;
	int r = plan_check_source("verify", options);

	if (r == CMD_OK)
		r = read_kernel(options, &with_algorithm.algorithm, &kernel);
	if (r == CMD_OK)
		r = plan_compute("verify", &with_algorithm, &plan, &n_rejected);
	return r == CMD_OK ? compare(options, kernel, plan) : r;
}
