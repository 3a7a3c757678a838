/* SPDX-License-Identifier: Apache-2.0 */
/* Leveled log lines on standard error: text for people, one JSON object a line for programs. */
#ifndef SVCBPF_UTIL_LOG_H
#define SVCBPF_UTIL_LOG_H

#include <errno.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/**
 * log_setup() - choose what is written and how; call once, before other threads exist.
 * @max: lines above this level are dropped. @as_json: one JSON object a line, RFC 3339 time.
 *
 * With JOURNAL_STREAM set in the environment text lines carry sd-daemon(3)'s "<N>" prefix and no
 * time, else a time.
 */
void log_setup(enum log_level max, bool as_json);

/** log_write() - write one line; %m in @format is the text of errno. Use the macros below. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * log_write_errno() - as log_write(), with %m the text of @error (negative errno).
 * Return: @error, so that a caller can log and return in one statement.
 */
int log_write_errno(enum log_level level, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#define log_error_errno(error, ...) log_write_errno(LOG_LEVEL_ERROR, error, __VA_ARGS__)
#define log_warn_errno(error, ...)  log_write_errno(LOG_LEVEL_WARN, error, __VA_ARGS__)
#define log_info_errno(error, ...)  log_write_errno(LOG_LEVEL_INFO, error, __VA_ARGS__)
#define log_debug_errno(error, ...) log_write_errno(LOG_LEVEL_DEBUG, error, __VA_ARGS__)

#endif
