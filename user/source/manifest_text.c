/* SPDX-License-Identifier: Apache-2.0 */
#include "source/manifest_text.h"

#include <errno.h>

#include "source/parse.h"
#include "util/small_file.h"

/* A file that grows meanwhile is read again, its id tells. */
int manifest_text_read(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_st)
{
	int r = small_file_read(path, PARSE_MAX_TEXT_BYTES, ret_text, ret_len, ret_st);

	return r == -EISDIR ? -EINVAL : r;
}
