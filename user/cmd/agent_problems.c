/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/agent_problems.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/log.h"

/* Lines logged of one round for what is new, and for what is gone. */
#define MAX_LOGGED 20

static void lines_free(char **lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
}

static void next_clear(struct agent_problems *problems)
{
	lines_free(problems->next, problems->n_next);
	problems->next = NULL;
	problems->n_next = 0;
	problems->n_allocated = 0;
	problems->is_out_of_memory = false;
}

void agent_problems_begin(struct agent_problems *problems)
{
	next_clear(problems);
}

static bool next_grow(struct agent_problems *problems)
{
	size_t n = problems->n_allocated ? problems->n_allocated * 2 : 16;
	char **grown;

	if (problems->n_next < problems->n_allocated)
		return true;
	grown = reallocarray(problems->next, n, sizeof(*grown));
	if (!grown)
		return false;
	problems->next = grown;
	problems->n_allocated = n;
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool agent_problems_add(struct agent_problems *problems, const char *subject, const char *text)
{
	_free_ char *line = NULL;
	bool is_new;

	if (asprintf(&line, "%s%s%s", subject, *subject ? ": " : "", text) < 0)
		line = NULL;
	if (!line || !next_grow(problems)) {
		problems->is_out_of_memory = true;
		return false;
	}
	is_new = !problems->n_lines || !bsearch(&line, problems->lines, problems->n_lines,
						sizeof(*problems->lines), by_text);
	problems->next[problems->n_next++] = TAKE_PTR(line);
	return is_new;
}

static void next_sort(struct agent_problems *problems)
{
	size_t n = 0;

	if (problems->n_next)
		qsort(problems->next, problems->n_next, sizeof(*problems->next), by_text);
	for (size_t i = 0; i < problems->n_next; i++) {
		if (n && strcmp(problems->next[n - 1], problems->next[i]) == 0)
			free(problems->next[i]);
		else
			problems->next[n++] = problems->next[i];
	}
	problems->n_next = n;
}

/* Log those of @these that are not among @others. Return: how many. */
static size_t log_only_in(char *const *these, size_t n_these, char *const *others, size_t n_others,
			  bool is_new)
{
	size_t n = 0;

	for (size_t i = 0; i < n_these; i++) {
		if (n_others && bsearch(&these[i], others, n_others, sizeof(*others), by_text))
			continue;
		if (n++ >= MAX_LOGGED)
			continue;
		if (is_new)
			log_warn("%s", these[i]);
		else
			log_info("resolved: %s", these[i]);
	}
	if (n > MAX_LOGGED && is_new)
		log_warn("%zu more problems; 'svcbpf status' shows some", n - MAX_LOGGED);
	else if (n > MAX_LOGGED)
		log_info("%zu more problems resolved", n - MAX_LOGGED);
	return n;
}

bool agent_problems_end(struct agent_problems *problems)
{
	size_t n_new;
	size_t n_gone;

	if (problems->is_out_of_memory) {
		next_clear(problems);
		return false;
	}
	next_sort(problems);
	n_new = log_only_in(problems->next, problems->n_next, problems->lines, problems->n_lines,
			    true);
	n_gone = log_only_in(problems->lines, problems->n_lines, problems->next, problems->n_next,
			     false);
	lines_free(problems->lines, problems->n_lines);
	problems->lines = problems->next;
	problems->n_lines = problems->n_next;
	problems->next = NULL;
	problems->n_next = 0;
	problems->n_allocated = 0;
	return n_new || n_gone;
}

void agent_problems_clear(struct agent_problems *problems)
{
	next_clear(problems);
	lines_free(problems->lines, problems->n_lines);
	problems->lines = NULL;
	problems->n_lines = 0;
}
