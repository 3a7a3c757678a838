/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "http/http_bind.h"
#include "util/cleanup.h"

/* Each compared with Go's net.Listen("tcp", ...); NULL: refused there too. */
static const struct {
	const char *text;
	const char *formatted;
} cases[] = {
	{"0.0.0.0:10256", ":10256"},
	{"[::]:10256", ":10256"},
	{":10256", ":10256"},
	{"127.0.0.1:10249", "127.0.0.1:10249"},
	{"[::1]:10249", "[::1]:10249"},
	{"[2001:db8::5]:65535", "[2001:db8::5]:65535"},
	{"[127.0.0.1]:80", "127.0.0.1:80"},
	{"127.0.0.1:080", "127.0.0.1:80"},
	{":0", ":0"},
	{"", NULL},
	{"10256", NULL},
	{"0.0.0.0", NULL},
	{"::1:80", NULL},
	{"[::1]", NULL},
	{"[::1]80", NULL},
	{"[::1:80", NULL},
	{"::1]:80", NULL},
	{"[]:80", NULL},
	{"1.2.3.4:65536", NULL},
	{"1.2.3.4:99999999999", NULL},
	{"1.2.3.4:-1", NULL},
	{"1.2.3.4: 80", NULL},
	{"1.2.3.4:", NULL},
	{" 1.2.3.4:80", NULL},
	{"localhost:80", NULL},
	{"[fe80::1%lo]:80", NULL},
	{"1111111111222222222233333333334444444444555555555566666666667777777777:80", NULL},
};

Test(http_bind, reads_addresses_as_go_does)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[HTTP_BIND_TEXT_MAX];
		struct http_bind bind;
		int r = http_bind_parse(cases[i].text, &bind);

		cr_assert_eq(r, cases[i].formatted ? 0 : -EINVAL, "%s", cases[i].text);
		if (r == 0)
			cr_assert_str_eq(http_bind_format(&bind, buf), cases[i].formatted);
	}
}

Test(http_bind, says_why_it_cannot_listen)
{
	struct http_bind bind;
	_close_ int fd = -1;

	cr_assert_eq(http_bind_parse("192.0.2.1:10256", &bind), 0);
	cr_assert_eq(http_bind_listen(&bind, &fd), -EADDRNOTAVAIL);
	cr_assert_eq(fd, -1);
}
