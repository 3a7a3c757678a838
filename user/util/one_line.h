/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger wrote, in a text that must stay one line. */
#ifndef SVCBPF_UTIL_ONE_LINE_H
#define SVCBPF_UTIL_ONE_LINE_H

/** one_line_make() - put @instead in place of each control character of @text. */
static inline void one_line_make(char *text, char instead)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = instead;
}

#endif
