/* SPDX-License-Identifier: Apache-2.0 */
/* What could not be served as asked, from all sides: logged when it begins and when it ends. */
#ifndef SVCBPF_CMD_AGENT_PROBLEMS_H
#define SVCBPF_CMD_AGENT_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct agent_problems - the lines of the last round and of the one being collected, owned.
 * Zero-initialise; free with agent_problems_clear().
 */
struct agent_problems {
	char **lines;
	size_t n_lines;
	char **next;
	size_t n_next;
	size_t n_allocated;
	bool is_out_of_memory;
};

/** agent_problems_begin() - begin a round. */
void agent_problems_begin(struct agent_problems *problems);

/**
 * agent_problems_add() - add a line to the round: "@subject: @text", or @text alone with @subject
 * "". Return: whether the last round did not have it.
 */
bool agent_problems_add(struct agent_problems *problems, const char *subject, const char *text);

/**
 * agent_problems_end() - end the round: log what is new (warning) and what is gone (info).
 *
 * At most a handful of lines each; the rest is counted. Without memory the last round stays.
 * Return: whether anything changed; @problems->lines are sorted, without duplicates.
 */
bool agent_problems_end(struct agent_problems *problems);

/** agent_problems_clear() - free all lines. */
void agent_problems_clear(struct agent_problems *problems);

#endif
