/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 as RFC 4648 has it, and what Go's StdEncoding refuses. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/base64.h"
#include "util/cleanup.h"

Test(base64, the_rfcs_vectors_go_both_ways)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
		{"\xff\xfe\xfd", "//79"},
		{"\xfb\xef", "++8="},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_free_ char *encoded = base64_encode(cases[i][0], strlen(cases[i][0]));
		_free_ char *decoded = NULL;
		size_t len = 99;

		cr_expect_str_eq(encoded, cases[i][1]);
		cr_expect_eq(base64_decode(cases[i][1], &decoded, &len), 0, "%s", cases[i][1]);
		cr_expect_eq(len, strlen(cases[i][0]));
		cr_expect_str_eq(decoded, cases[i][0]);
	}
}

Test(base64, all_bytes_and_lengths_survive)
{
	char data[256];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + 3);
	for (size_t len = 0; len <= sizeof(data); len++) {
		_free_ char *encoded = base64_encode(data, len);
		_free_ char *decoded = NULL;
		size_t decoded_len;

		cr_assert_eq(base64_decode(encoded, &decoded, &decoded_len), 0);
		cr_assert_eq(decoded_len, len);
		cr_assert_eq(memcmp(decoded, data, len), 0);
	}
}

Test(base64, line_breaks_are_skipped_and_nothing_else)
{
	static const char *const good[] = {"Zm9v\nYmFy\r\n", "Zm\n9vYmFy", "Zm9vYmFy\n"};
	static const char *const bad[] = {
		"Z",	 "Zg",	  "Zg=",   "Zg===", "Zg=a",	  "=",		"====",	 "Zm9v====",
		"Zm9v=", "Zm9vY", "Zm 9v", "Zm9-",  "Zm9vYg==Zg", "Zm9v\tYmFy", "Zg==!",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_free_ char *decoded = NULL;
		size_t len;

		cr_expect_eq(base64_decode(good[i], &decoded, &len), 0, "%s", good[i]);
		cr_expect_str_eq(decoded, "foobar");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *decoded = NULL;
		size_t len;

		cr_expect_eq(base64_decode(bad[i], &decoded, &len), -EINVAL, "%s", bad[i]);
		cr_expect_null(decoded);
	}
}
