/* SPDX-License-Identifier: Apache-2.0 */
#include "util/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

void secret_free(char *text)
{
	if (!text)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

void secret_freep(char **text)
{
	secret_free(*text);
}

static int check_kind(const struct stat *st, size_t max_bytes)
{
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	return (size_t)st->st_size > max_bytes ? -EFBIG : 0;
}

/* Reads until the end, at most @size bytes. Return: how many, or negative errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int small_file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_len,
		    struct stat *ret_st)
{
	/* without O_NONBLOCK the open of a FIFO would wait for its writer */
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_free_ char *text = NULL;
	struct stat st;
	ssize_t len;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = check_kind(&st, max_bytes);
	if (r < 0)
		return r;
	/* a file that grows meanwhile is cut where it ended */
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	len = read_all(fd, text, (size_t)st.st_size);
	if (len < 0)
		return (int)len;
	*ret_text = TAKE_PTR(text);
	if (ret_len)
		*ret_len = (size_t)len;
	if (ret_st)
		*ret_st = st;
	return 0;
}
