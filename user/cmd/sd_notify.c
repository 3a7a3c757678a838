/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/sd_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Decimal digits and nothing else. Return: 0 or -EINVAL. */
static int parse_number(const char *text, uint64_t *ret)
{
	uint64_t number = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || number > (UINT64_MAX - 9) / 10)
			return -EINVAL;
		number = number * 10 + (uint64_t)(*text - '0');
	}
	*ret = number;
	return 0;
}

bool sd_notify_is_wanted(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && *path;
}

uint64_t sd_notify_watchdog_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t us;
	uint64_t whose;

	if (!usec || parse_number(usec, &us) < 0 || us < 2)
		return 0;
	if (pid && (parse_number(pid, &whose) < 0 || whose != (uint64_t)getpid()))
		return 0;
	return us;
}

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
