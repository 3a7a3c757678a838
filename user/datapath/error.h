/* SPDX-License-Identifier: Apache-2.0 */
/* One line for the user about what failed, filled in where it is known best. */
#ifndef SVCBPF_DATAPATH_ERROR_H
#define SVCBPF_DATAPATH_ERROR_H

#include "datapath/datapath.h"

/**
 * error_set() - write the line.
 * @error: NULL is fine.  @r: negative errno, given back so that a caller can tell and return.
 * @format: as printf(3).
 * Return: @r.
 */
int error_set(struct datapath_error *error, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
