/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a file to its entries. */
#ifndef SVCBPF_SOURCE_MANIFEST_READER_H
#define SVCBPF_SOURCE_MANIFEST_READER_H

#include "source/manifest_file.h"

/**
 * manifest_reader_run() - parse a text and decode its objects.
 * @file: gets the entries; its path decides between YAML and JSON.
 * @old: what the file held before; objects that may only seem to be gone are taken from it.
 * @is_quiet: do not tell what cannot be used.
 * Return: 0 or -ENOMEM, then @file holds what was read so far.
 */
int manifest_reader_run(struct manifest_file *file, const struct manifest_file *old,
			const struct manifest_context *context, bool is_quiet, const char *text,
			size_t len);

#endif
