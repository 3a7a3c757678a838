/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/sd_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/cleanup.h"

int sd_notify_send(const char *state)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	_close_ int fd = -1;
	size_t len_bytes;

	if (!path || !*path)
		return 0;
	len_bytes = strlen(path);
	if ((*path != '/' && *path != '@') || len_bytes >= sizeof(to.sun_path))
		return -EINVAL;
	memcpy(to.sun_path, path, len_bytes);
	if (*path == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len_bytes)) < 0)
		return -errno;
	return 0;
}
