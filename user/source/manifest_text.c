/* SPDX-License-Identifier: Apache-2.0 */
#include "source/manifest_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "source/parse.h"
#include "util/cleanup.h"

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

int manifest_text_read(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_st)
{
	/* without O_NONBLOCK the open of a FIFO would wait for its writer */
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_free_ char *text = NULL;
	struct stat st;
	ssize_t len;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > PARSE_MAX_TEXT_BYTES)
		return -EFBIG;
	/* a file that grows meanwhile is read again, its id tells */
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	len = read_all(fd, text, (size_t)st.st_size);
	if (len < 0)
		return (int)len;
	*ret_text = TAKE_PTR(text);
	*ret_len = (size_t)len;
	*ret_st = st;
	return 0;
}
