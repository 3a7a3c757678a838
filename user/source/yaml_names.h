/* SPDX-License-Identifier: Apache-2.0 */
/* The names of a mapping, as Kubernetes' YAML has them: merge keys, and the last of two wins. */
#ifndef SVCBPF_SOURCE_YAML_NAMES_H
#define SVCBPF_SOURCE_YAML_NAMES_H

struct cJSON;

/** yaml_names_add() - append a member. @key (made with malloc(3)) and @value: taken over. */
void yaml_names_add(struct cJSON *object, char *key, struct cJSON *value);

/**
 * yaml_names_merge() - the merge key "<<": move members of @value to the end of @object.
 * @value: a mapping, or a list of them, of which the first counts most; left without members.
 *
 * Later members count more, so that what stands before "<<" is replaced, as kubectl has it.
 * Return: 0; -EINVAL when @value is neither.
 */
int yaml_names_merge(struct cJSON *object, struct cJSON *value);

/** yaml_names_remove_repeated() - keep the last of equal names only. Return: 0 or -ENOMEM. */
int yaml_names_remove_repeated(struct cJSON *object);

#endif
