/* SPDX-License-Identifier: Apache-2.0 */
/* Running svcbpf's own main() inside a test, with its output caught. */
#ifndef SVCBPF_TESTS_UNIT_CMD_CAPTURE_H
#define SVCBPF_TESTS_UNIT_CMD_CAPTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"

#define CAPTURE_MAX_ARGS 32

/** struct capture - what a command did. @out, @err: owned; give it to capture_clear(). */
struct capture {
	int status;
	char *out;
	char *err;
};

static inline char *capture_read(FILE *file)
{
	long len_bytes;
	char *text;

	cr_assert_eq(fseek(file, 0, SEEK_END), 0);
	len_bytes = ftell(file);
	cr_assert_geq(len_bytes, 0);
	rewind(file);
	text = calloc(1, (size_t)len_bytes + 1);
	cr_assert(text);
	cr_assert_eq(fread(text, 1, (size_t)len_bytes, file), (size_t)len_bytes);
	fclose(file);
	return text;
}

/* Put @file in the place of @fd. Return: what was there, for capture_restore(). */
static inline int capture_redirect(FILE *file, int fd)
{
	int saved = dup(fd);

	cr_assert_geq(saved, 0);
	cr_assert_geq(dup2(fileno(file), fd), 0);
	return saved;
}

static inline void capture_restore(int saved, int fd)
{
	cr_assert_geq(dup2(saved, fd), 0);
	close(saved);
}

/**
 * capture_split() - split "WORDS", parted by blanks; '' is an empty word.
 * @argv: CAPTURE_MAX_ARGS + 1, filled from @argc on and ended by NULL; the words live in @words.
 * Return: how many there are in @argv now.
 */
static inline int capture_split(char *words, char **argv, int argc)
{
	char *word;

	while (argc < CAPTURE_MAX_ARGS && (word = strsep(&words, " ")))
		if (*word)
			argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	argv[argc] = NULL;
	return argc;
}

/** capture_run() - run "svcbpf WORDS". */
static inline struct capture capture_run(const char *words)
{
	struct capture capture = {};
	char name[] = "svcbpf";
	char *copy = strdup(words);
	char *argv[CAPTURE_MAX_ARGS + 1] = {name};
	FILE *out = tmpfile();
	FILE *err = tmpfile();
	int saved_out;
	int saved_err;

	cr_assert(copy && out && err);
	fflush(NULL);
	saved_out = capture_redirect(out, STDOUT_FILENO);
	saved_err = capture_redirect(err, STDERR_FILENO);
	capture.status = command_main(capture_split(copy, argv, 1), argv);
	fflush(NULL);
	capture_restore(saved_out, STDOUT_FILENO);
	capture_restore(saved_err, STDERR_FILENO);
	capture.out = capture_read(out);
	capture.err = capture_read(err);
	free(copy);
	return capture;
}

static inline void capture_clear(struct capture *capture)
{
	free(capture->out);
	free(capture->err);
}

#endif
