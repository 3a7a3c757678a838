/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/command.h"

int explain_main(const struct options *options)
{
	(void)options;
	command_error("explain",
		      "not in this version; 'svcbpf dump' shows each frontend's backends "
		      "and rules");
	return CMD_USAGE;
}
