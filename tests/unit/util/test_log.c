/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

static char output[65536];

/* Standard error goes into a temporary file between these two. */
static FILE *capture_start(int *ret_saved)
{
	FILE *file = tmpfile();

	cr_assert_not_null(file);
	*ret_saved = dup(STDERR_FILENO);
	cr_assert_geq(*ret_saved, 0);
	cr_assert_geq(dup2(fileno(file), STDERR_FILENO), 0);
	return file;
}

static const char *capture_end(FILE *file, int saved)
{
	size_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(output, 1, sizeof(output) - 1, file);
	output[n] = '\0';
	fclose(file);
	return output;
}

#define CAPTURE(statement)                                                                         \
	({                                                                                         \
		int saved_;                                                                        \
		FILE *file_ = capture_start(&saved_);                                              \
		statement;                                                                         \
		capture_end(file_, saved_);                                                        \
	})

static void setup(void)
{
	unsetenv("JOURNAL_STREAM");
}

TestSuite(log, .init = setup);

Test(log, drops_lines_above_the_level)
{
	const char *text;

	log_setup(LOG_LEVEL_WARN, false);
	text = CAPTURE({
		log_error("one");
		log_warn("two");
		log_info("three");
		log_debug("four");
	});
	cr_expect(strstr(text, "one") && strstr(text, "two"));
	cr_expect(!strstr(text, "three") && !strstr(text, "four"));
}

Test(log, text_has_time_level_and_message)
{
	int year, month, day, hour, minute, second, ms;
	char level[16], message[16];

	log_setup(LOG_LEVEL_INFO, false);
	cr_expect_eq(sscanf(CAPTURE(log_warn("hello")), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %15s %15s",
			    &year, &month, &day, &hour, &minute, &second, &ms, level, message),
		     9, "%s", output);
	cr_expect_str_eq(level, "warning:");
	cr_expect_str_eq(message, "hello");
}

Test(log, a_line_stays_one_line)
{
	log_setup(LOG_LEVEL_INFO, false);
	CAPTURE(log_info("a\nforged: b\x1b[31m"));
	cr_expect_not_null(strstr(output, "a forged: b [31m\n"), "%s", output);
	cr_expect_eq(strchr(output, '\n'), output + strlen(output) - 1);
}

Test(log, with_a_journal_has_its_prefix_and_no_time)
{
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_setup(LOG_LEVEL_DEBUG, false);
	CAPTURE({
		log_error("e");
		log_warn("w");
		log_info("i");
		log_debug("d");
	});
	cr_expect_str_eq(output, "<3>e\n<4>w\n<6>i\n<7>d\n");
}

Test(log, json_is_escaped)
{
	log_setup(LOG_LEVEL_INFO, true);
	CAPTURE(log_info("a \"b\" \\ \n \x01 \xc3\xa4 \xff \xe2\x82\xac \xc0\x80 \xed\xa0\x80"));
	cr_expect_not_null(strstr(output, "\"message\":\"a \\\"b\\\" \\\\ \\u000a \\u0001 \xc3\xa4 "
					  "\\ufffd \xe2\x82\xac \\ufffd\\ufffd "
					  "\\ufffd\\ufffd\\ufffd\"}\n"),
			   "%s", output);
	cr_expect_eq(output, strstr(output, "{\"time\":\"2"));
	cr_expect_not_null(strstr(output, "\"level\":\"info\""));
}

Test(log, errno_variant_says_the_error_and_returns_it)
{
	int r = 0;

	log_setup(LOG_LEVEL_INFO, false);
	errno = EIO;
	CAPTURE(r = log_warn_errno(-ENOENT, "open x: %m"));
	cr_expect_eq(r, -ENOENT);
	cr_expect_not_null(strstr(output, "open x: No such file or directory\n"), "%s", output);
}

Test(log, leaves_errno_alone)
{
	log_setup(LOG_LEVEL_INFO, false);
	CAPTURE({
		errno = EIO;
		log_info("%m");
		cr_expect_eq(errno, EIO);
		log_info_errno(-ENOENT, "x");
		cr_expect_eq(errno, EIO);
	});
	cr_expect_not_null(strstr(output, "Input/output error"), "%s", output);
}

Test(log, long_lines_are_cut)
{
	static char text[20000];

	memset(text, '"', sizeof(text) - 1);
	log_setup(LOG_LEVEL_INFO, true);
	CAPTURE(log_info("%s", text));
	cr_expect_gt(strlen(output), 8000);
	cr_expect_lt(strlen(output), 9000);
	cr_expect_str_eq(output + strlen(output) - 3, "\"}\n");
}
