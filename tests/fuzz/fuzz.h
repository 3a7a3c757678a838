/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers share. Each feeds one kind of input that others write to all that reads it. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/** FUZZ_PATH_MAX - bytes for the name of a fuzz_file. */
#define FUZZ_PATH_MAX 64

/** LLVMFuzzerTestOneInput() - libFuzzer calls it with each input. Return: 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** fuzz_assert() - what must hold for every input, or libFuzzer keeps the input and fails. */
#define fuzz_assert(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/**
 * fuzz_copy() - the bytes in a block of their own, so that ASan sees what is read beyond them.
 * Return: free(3).
 */
static inline char *fuzz_copy(const void *data, size_t len)
{
	char *copy = malloc(len);

	fuzz_assert(copy || len == 0);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

/** fuzz_text() - the same with a NUL behind it. Return: free(3). */
static inline char *fuzz_text(const void *data, size_t len)
{
	char *text = malloc(len + 1);

	fuzz_assert(text);
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

/** struct fuzz_file - a file that is nowhere on disk. @path: /proc/self/fd/N. */
struct fuzz_file {
	int fd;
	char path[FUZZ_PATH_MAX];
};

/** fuzz_file_open() - an empty file, for fuzz_file_close(). */
static inline struct fuzz_file fuzz_file_open(void)
{
	struct fuzz_file file = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};

	fuzz_assert(file.fd >= 0);
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

/** fuzz_file_write() - replace what is in it. */
static inline void fuzz_file_write(const struct fuzz_file *file, const void *data, size_t len)
{
	fuzz_assert(ftruncate(file->fd, 0) == 0);
	fuzz_assert(pwrite(file->fd, data, len, 0) == (ssize_t)len);
}

/** fuzz_file_close() - for _cleanup_(). */
static inline void fuzz_file_close(struct fuzz_file *file)
{
	close(file->fd);
}

#endif
