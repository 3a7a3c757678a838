/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "cmd/agent.h"
#include "cmd/api_address.h"
#include "cmd/command.h"
#include "cmd/plan.h"
#include "util/cleanup.h"

static int run(const struct options *options)
{
	_cleanup_(agent_close) struct agent agent = {};
	int r = agent_open(&agent, options);

	return r < 0 ? r : agent_run(&agent);
}

int run_main(const struct options *options)
{
	char error[API_ADDRESS_ERROR_MAX];
	int r;

	if (api_address_check(options, error) < 0) {
		command_error("run", "%s", error);
		return CMD_FAILED;
	}
	r = plan_check_source("run", options);
	if (r != CMD_OK)
		return r;
	/* A log reader that goes away must not end the agent. */
	signal(SIGPIPE, SIG_IGN);
	return run(options) < 0 ? CMD_FAILED : CMD_OK;
}
