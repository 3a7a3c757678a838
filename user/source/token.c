/* SPDX-License-Identifier: Apache-2.0 */
#include "source/token.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/small_file.h"

bool token_is_usable(const char *token)
{
	size_t len = 0;

	while (token[len] > ' ' && token[len] < 0x7f)
		len++;
	return len > 0 && !token[len] && len <= TOKEN_MAX_BYTES;
}

static const char *problem_text(int error)
{
	switch (error) {
	case -EFBIG:
		return "too long for a token";
	case -EINVAL:
		return "not a regular file";
	default:
		return strerrordesc_np(-error);
	}
}

/* In place: what stands around the token is white space in an editor's or echo's file. */
static void trim(char *text)
{
	size_t len = strlen(text), n_before = 0;

	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	while (isspace((unsigned char)text[n_before]))
		n_before++;
	memmove(text, text + n_before, len - n_before + 1);
}

int token_read(const char *path, char **ret, struct stat *ret_st, const char **ret_text)
{
	_cleanup_(secret_freep) char *text = NULL;
	struct stat st;
	size_t len;
	int r;

	r = small_file_read(path, TOKEN_MAX_BYTES, &text, &len, &st);
	if (r < 0) {
		*ret_text = problem_text(r);
		return r;
	}
	if (strlen(text) == len)
		trim(text);
	else
		text[0] = '\0'; /* a NUL in it: no token */
	if (!token_is_usable(text)) {
		*ret_text = len ? "what is in it is no token" : "it is empty";
		return -EINVAL;
	}
	*ret = TAKE_PTR(text);
	*ret_st = st;
	return 0;
}
