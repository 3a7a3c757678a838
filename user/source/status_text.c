/* SPDX-License-Identifier: Apache-2.0 */
#include "source/status_text.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include "util/one_line.h"

void status_text_format(const char *text, char *buf, size_t size)
{
	cJSON *status = cJSON_Parse(text);
	const char *message =
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(status, "message"));

	snprintf(buf, size, "%s", message && *message ? message : text);
	one_line_make(buf, ' ');
	cJSON_Delete(status);
}
