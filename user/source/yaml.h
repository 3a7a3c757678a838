/* SPDX-License-Identifier: Apache-2.0 */
/* YAML texts, read by Kubernetes' rules into the same trees as JSON. */
#ifndef SVCBPF_SOURCE_YAML_H
#define SVCBPF_SOURCE_YAML_H

#include "source/parse.h"

/** YAML_MAX_NODES - values in one object, and values that aliases copy in one document. */
#define YAML_MAX_NODES 1000000

/**
 * yaml_parse() - tell the objects of a YAML text of any number of documents.
 * @text: need not be NUL-terminated.
 *
 * As kubectl does, the text is cut at its "---" lines first: a broken document does not touch
 * those after it. A document that begins with '{' is tried as JSON. The items of a List in block
 * style are read one at a time, so that memory stays small.
 * Source: sigs.k8s.io/yaml 1.4.0 (YAML 1.1, anchors, aliases, merge keys; the last of two equal
 * names wins).
 * Return: 0, broken texts included; what a callback returned; -ENOMEM.
 */
int yaml_parse(const char *text, size_t len, const struct parse_events *events);

#endif
