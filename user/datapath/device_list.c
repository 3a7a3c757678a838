/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/device_list.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

static bool is_pattern(const char *text)
{
	const size_t len = strlen(text);
	const char *star = strchr(text, '*');

	if (!len || len >= IFNAMSIZ || strpbrk(text, "/: \t\r\n"))
		return false;
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	return !star || !star[1];
}

static void device_list_freep(struct device_list *list)
{
	device_list_clear(list);
}

static int add(struct device_list *list, const char *text)
{
	char **grown;

	if (!is_pattern(text))
		return -EINVAL;
	grown = reallocarray(list->patterns, list->n_patterns + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->patterns = grown;
	grown[list->n_patterns] = strdup(text);
	if (!grown[list->n_patterns])
		return -ENOMEM;
	list->n_patterns++;
	return 0;
}

int device_list_parse(const char *text, struct device_list *ret)
{
	_cleanup_(device_list_freep) struct device_list list = {};
	_free_ char *copy = strdup(text);
	char *rest = copy;
	char *item;

	if (!copy)
		return -ENOMEM;
	while ((item = strsep(&rest, ","))) {
		int r = add(&list, item);

		if (r < 0)
			return r;
	}
	*ret = list;
	list = (struct device_list){};
	return 0;
}

void device_list_clear(struct device_list *list)
{
	for (size_t i = 0; i < list->n_patterns; i++)
		free(list->patterns[i]);
	free(list->patterns);
	*list = (struct device_list){};
}

bool device_list_is_name(const struct device_list *list, size_t index)
{
	return !strchr(list->patterns[index], '*');
}

static bool matches(const char *pattern, const char *name)
{
	const size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return strncmp(pattern, name, len - 1) == 0;
	return strcmp(pattern, name) == 0;
}

bool device_list_has(const struct device_list *list, const char *name)
{
	for (size_t i = 0; i < list->n_patterns; i++)
		if (matches(list->patterns[i], name))
			return true;
	return false;
}
