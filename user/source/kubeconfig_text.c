/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of a kubeconfig: strings, file names, and what stands in the files they name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "source/kubeconfig_decode.h"
#include "util/base64.h"
#include "util/cleanup.h"
#include "util/small_file.h"

static int copy(const char *text, char **ret)
{
	char *copied = NULL;

	if (text && *text) {
		copied = strdup(text);
		if (!copied)
			return -ENOMEM;
	}
	*ret = copied;
	return 0;
}

int kubeconfig_text(const struct field *parent, const char *key, char **ret)
{
	const char *text;
	int r = field_string(parent, key, &text);

	return r < 0 ? r : copy(text, ret);
}

char *kubeconfig_join(const char *folder, const char *name)
{
	char *path;

	if (name[0] == '/')
		return strdup(name);
	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

int kubeconfig_path(const struct field *parent, const char *key, const char *folder, char **ret)
{
	const char *name;
	char *path = NULL;
	int r = field_string(parent, key, &name);

	if (r < 0)
		return r;
	if (name && *name) {
		path = kubeconfig_join(folder, name);
		if (!path)
			return -ENOMEM;
	}
	*ret = path;
	return 0;
}

static const char *read_problem(int error)
{
	switch (error) {
	case -EFBIG:
		return "longer than 4 MiB";
	case -EINVAL:
		return "not a regular file";
	default:
		return strerrordesc_np(-error);
	}
}

/* Whether it has a BEGIN line of the wanted kind, and can be used without a password. */
static int check_pem(const struct field *field, const struct kubeconfig_pem *pem, const char *text,
		     size_t len)
{
	const char *begin = text;

	if (strlen(text) != len)
		return field_fail(field, "has a NUL character in it: not PEM");
	while ((begin = strstr(begin, "-----BEGIN "))) {
		const char *end = strstr(begin += 11, "-----");
		const char *label = strstr(begin, pem->label);

		if (end && label && label < end)
			break;
	}
	if (!begin)
		return field_fail(field, "has no \"-----BEGIN %s-----\" in it: not PEM",
				  pem->label);
	if (strstr(text, "ENCRYPTED"))
		return field_fail(field, "needs a password: write the key without one");
	return 0;
}

static int read_pem_file(const struct field *field, const struct kubeconfig_pem *pem,
			 const char *path, char **ret)
{
	_cleanup_(secret_freep) char *text = NULL;
	size_t len;
	int r = small_file_read(path, KUBECONFIG_FILE_MAX_BYTES, &text, &len, NULL);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return field_fail(field, "reading \"%.120s\": %s", path, read_problem(r));
	r = check_pem(field, pem, text, len);
	if (r == 0)
		*ret = TAKE_PTR(text);
	return r;
}

static int decode_pem(const struct field *field, const struct kubeconfig_pem *pem, const char *data,
		      char **ret)
{
	_cleanup_(secret_freep) char *text = NULL;
	size_t len;
	int r = base64_decode(data, &text, &len);

	if (r == -EINVAL)
		return field_fail(field, "is not base64");
	if (r < 0)
		return r;
	r = check_pem(field, pem, text, len);
	if (r == 0)
		*ret = TAKE_PTR(text);
	return r;
}

int kubeconfig_read_pem(const struct field *parent, const struct kubeconfig_pem *pem,
			const char *folder, char **ret)
{
	const struct field file = field_child(parent, pem->file_key);
	const struct field data = field_child(parent, pem->data_key);
	_free_ char *path = NULL;
	const char *text;
	int r;

	r = kubeconfig_path(parent, pem->file_key, folder, &path);
	if (r < 0)
		return r;
	r = field_as_string(&data, &text);
	if (r < 0)
		return r;
	if (path && text && *text)
		return field_fail(&data, "and %s: only one of them", pem->file_key);
	if (path)
		return read_pem_file(&file, pem, path, ret);
	if (text && *text)
		return decode_pem(&data, pem, text, ret);
	*ret = NULL;
	return 0;
}
