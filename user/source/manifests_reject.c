/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what was told to be unusable is so still. */
#include <stdlib.h>
#include <string.h>

#include "source/manifests_private.h"

/* Length of the path in "path:line"; *@ret_line is 0 when there is only a path. */
static size_t split_where(const char *where, size_t *ret_line)
{
	const char *colon = strrchr(where, ':');

	*ret_line = 0;
	if (!colon || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")])
		return strlen(where);
	*ret_line = strtoul(colon + 1, NULL, 10);
	return (size_t)(colon - where);
}

static bool is_entry_rejected(const struct entry *entry)
{
	const bool is_winner = entry->object->winner == entry;

	return (entry->is_repeat_told && !is_winner) || (entry->is_note_told && is_winner);
}

static bool is_rejected_at(const struct manifest_file *file, size_t line)
{
	for (size_t i = 0; i < file->n_told_lines; i++) {
		if (file->told_lines[i] == line)
			return true;
	}
	for (size_t i = 0; i < file->n_entries; i++) {
		if (file->entries[i].line == line && is_entry_rejected(&file->entries[i]))
			return true;
	}
	return false;
}

uint64_t manifests_reject_state(const struct manifests *manifests, const char *where)
{
	const struct manifest_file *file;
	size_t line;
	size_t len = split_where(where, &line);

	if (manifests->failed_path && strlen(manifests->failed_path) == len &&
	    strncmp(manifests->failed_path, where, len) == 0)
		return 1;
	HASH_FIND(hh, manifests->by_path, where, len, file);
	if (!file || (line && !is_rejected_at(file, line)))
		return 0;
	if (!line)
		return file->error < 0 ? (uint64_t)-file->error : 0;
	return file->text_hash | 1;
}
