/* SPDX-License-Identifier: Apache-2.0 */
/* What a YAML scalar means to Kubernetes: YAML 1.1 with the additions of its Go parser. */
#ifndef SVCBPF_SOURCE_YAML_SCALAR_H
#define SVCBPF_SOURCE_YAML_SCALAR_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

/**
 * yaml_scalar() - a scalar as JSON.
 * @text: its value, NUL-terminated.
 * @tag: its tag in full, e.g. "tag:yaml.org,2002:str"; NULL when it has none.
 * @is_plain: it is not quoted and not a block.
 * @ret: owned by the caller.
 * @ret_error: why it has no value, on -EINVAL; a constant.
 *
 * Source: sigs.k8s.io/yaml 1.4.0, which kubectl uses. Dates and !!binary stay the text they are.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int yaml_scalar(const char *text, const char *tag, bool is_plain, struct cJSON **ret,
		const char **ret_error);

/**
 * yaml_scalar_key() - a scalar that is a name in a mapping; names are text in JSON.
 * @ret: owned by the caller, free(3).
 * Otherwise as yaml_scalar().
 */
int yaml_scalar_key(const char *text, const char *tag, bool is_plain, char **ret,
		    const char **ret_error);

#endif
