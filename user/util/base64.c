/* SPDX-License-Identifier: Apache-2.0 */
#include "util/base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define PAD '='

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits that @c stands for; -1: none. */
static int value_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* Decodes up to the first character that stands for nothing. Return: how many did. */
static size_t decode_values(const char **text, char *data, size_t *ret_len)
{
	size_t n = 0, len = 0;
	uint32_t bits = 0;

	for (; **text; (*text)++) {
		int value = value_of(**text);

		if (**text == '\n' || **text == '\r')
			continue;
		if (value < 0)
			break;
		bits = bits << 6 | (uint32_t)value;
		n++;
		/* the 2nd, 3rd and 4th character of a group complete a byte each */
		if (n % 4 != 1)
			data[len++] = (char)(uint8_t)(bits >> ((4 - n % 4) % 4 * 2));
	}
	*ret_len = len;
	return n;
}

int base64_decode(const char *text, char **ret_data, size_t *ret_len)
{
	_free_ char *data = malloc(strlen(text) / 4 * 3 + 4);
	size_t len, n;

	if (!data)
		return -ENOMEM;
	n = decode_values(&text, data, &len);
	for (; *text; text++) {
		if (*text == PAD)
			n++;
		else if (*text != '\n' && *text != '\r')
			return -EINVAL;
	}
	/* groups of four; two characters at least are needed for a byte, so at most two '=' */
	if (n % 4 != 0 || n / 4 != (len + 2) / 3)
		return -EINVAL;
	data[len] = '\0';
	*ret_data = TAKE_PTR(data);
	*ret_len = len;
	return 0;
}

char *base64_encode(const char *data, size_t len)
{
	char *text = malloc((len + 2) / 3 * 4 + 1);
	size_t n = 0;

	for (size_t i = 0; text && i < len; i += 3) {
		uint32_t bits = (uint32_t)(uint8_t)data[i] << 16;

		if (i + 1 < len)
			bits |= (uint32_t)(uint8_t)data[i + 1] << 8;
		if (i + 2 < len)
			bits |= (uint8_t)data[i + 2];
		for (int shift = 18; shift >= 0; shift -= 6)
			text[n++] = alphabet[bits >> shift & 63];
		if (i + 1 >= len)
			text[n - 2] = PAD;
		if (i + 2 >= len)
			text[n - 1] = PAD;
	}
	if (text)
		text[n] = '\0';
	return text;
}
