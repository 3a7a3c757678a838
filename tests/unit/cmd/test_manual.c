/* SPDX-License-Identifier: Apache-2.0 */
/* The man page and the completion say all that the table of commands and options says, and no more.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "util/cleanup.h"

/* Tests run from the top of the tree. */
#define MAN_PAGE   "user/man/svcbpf.8"
#define COMPLETION "user/man/svcbpf.bash"

static char *read_all(FILE *file)
{
	char *text = NULL;
	size_t size_bytes = 0;

	cr_assert(file);
	cr_assert_geq(getdelim(&text, &size_bytes, '\0', file), 0);
	return text;
}

/* The man page without roff's backslashes: "\-\-pin\-dir" becomes "--pin-dir". */
static char *read_man_page(void)
{
	FILE *file = fopen(MAN_PAGE, "re");
	char *text = read_all(file);
	char *to = text;

	fclose(file);
	for (const char *from = text; *from; from++)
		if (from[0] != '\\' || from[1] != '-')
			*to++ = *from;
	*to = '\0';
	return text;
}

/* Whether @word is in @text with nothing of a longer option name around it. */
static bool has_word(const char *text, const char *word)
{
	const size_t len = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
		const unsigned char before = at == text ? ' ' : (unsigned char)at[-1];
		const unsigned char after = (unsigned char)at[len];

		if (!isalnum(before) && before != '-' && !isalnum(after) && after != '-')
			return true;
	}
	return false;
}

/* Call @fn for each option of each group. */
static void for_each_option(void (*fn)(void *arg, const struct argp_option *option), void *arg)
{
	size_t n;
	const struct option_group *groups = option_groups(&n);

	for (size_t i = 0; i < n; i++)
		for (const struct argp_option *o = groups[i].argp->options; o->name; o++)
			fn(arg, o);
}

static void expect_option_in_man_page(void *arg, const struct argp_option *option)
{
	char word[64];

	snprintf(word, sizeof(word), "--%s", option->name);
	cr_expect(has_word(arg, word), "%s lacks %s", MAN_PAGE, word);
	if (option->key >= ' ' && option->key < 0x100) {
		snprintf(word, sizeof(word), "-%c", option->key);
		cr_expect(has_word(arg, word), "%s lacks %s", MAN_PAGE, word);
	}
}

Test(manual, man_page_has_every_option)
{
	_free_ char *text = read_man_page();

	for_each_option(expect_option_in_man_page, text);
}

Test(manual, man_page_has_every_command)
{
	_free_ char *text = read_man_page();
	size_t n;
	const struct command *all = commands(&n);

	for (size_t i = 0; i < n; i++) {
		char bold[64];
		char mixed[64];

		snprintf(bold, sizeof(bold), "\n.TP\n.B %s\n", all[i].name);
		snprintf(mixed, sizeof(mixed), "\n.TP\n.BR %s \"", all[i].name);
		cr_expect(strstr(text, bold) || strstr(text, mixed), "%s lacks command %s",
			  MAN_PAGE, all[i].name);
	}
}

struct lookup {
	const char *name;
	size_t len;
	bool is_found;
};

static void look_up(void *arg, const struct argp_option *option)
{
	struct lookup *lookup = arg;

	lookup->is_found |= strlen(option->name) == lookup->len &&
			    strncmp(option->name, lookup->name, lookup->len) == 0;
}

Test(manual, man_page_has_no_other_option)
{
	_free_ char *text = read_man_page();

	for (const char *at = strstr(text, "--"); at; at = strstr(at, "--")) {
		struct lookup lookup = {.name = at + 2};

		lookup.len = strspn(lookup.name, "abcdefghijklmnopqrstuvwxyz-");
		at += 2 + lookup.len;
		if (lookup.len == 0 || strncmp(lookup.name, "option", lookup.len) == 0)
			continue;
		for_each_option(look_up, &lookup);
		cr_expect(lookup.is_found, "%s: no such option: --%.*s", MAN_PAGE, (int)lookup.len,
			  lookup.name);
	}
}

Test(manual, man_page_is_clean)
{
	FILE *groff = popen("groff -man -Tutf8 -ww -z " MAN_PAGE " 2>&1", "re");
	char line[256] = "";

	cr_assert(groff);
	cr_expect_null(fgets(line, sizeof(line), groff), "%s", line);
	cr_expect_eq(pclose(groff), 0);
}

/* ------------------------------------------------------------------ completion */

static char *run_bash(const char *script)
{
	char command[512];
	FILE *bash;
	char *text;

	snprintf(command, sizeof(command), "bash -uec '. " COMPLETION "; %s; echo .'", script);
	bash = popen(command, "re");
	text = read_all(bash);
	cr_expect_eq(pclose(bash), 0, "%s", command);
	return text;
}

/* What bash offers after "svcbpf WORDS", each between blanks. */
static char *complete(const char *words, size_t n_words)
{
	char script[384];

	snprintf(script, sizeof(script),
		 "COMP_WORDS=(svcbpf %s); COMP_CWORD=%zu; _svcbpf; echo \" ${COMPREPLY[*]} \"",
		 words, n_words);
	return run_bash(script);
}

static bool is_taken(const struct command *command, const struct option_group *group)
{
	return (command->groups | OPTIONS_COMMON) & group->bit;
}

/* The visible options of a command as completion must offer them, sorted by nobody. */
static size_t expect_offered(const struct command *command, const char *offered)
{
	size_t n;
	const struct option_group *groups = option_groups(&n);
	size_t n_offered = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_taken(command, &groups[i]))
			continue;
		for (const struct argp_option *o = groups[i].argp->options; o->name; o++) {
			char word[64];

			if (o->flags & OPTION_HIDDEN)
				continue;
			snprintf(word, sizeof(word), " --%s ", o->name);
			cr_expect(strstr(offered, word), "%s: %s lacks%s", COMPLETION,
				  command->name, word);
			n_offered++;
		}
	}
	return n_offered;
}

static size_t count_words(const char *text)
{
	size_t n = 0;

	for (; *text && *text != '.'; text++)
		n += *text != ' ' && *text != '\n' && (text[1] == ' ' || text[1] == '\n');
	return n;
}

Test(manual, completion_offers_the_options_of_each_command)
{
	size_t n;
	const struct command *all = commands(&n);

	for (size_t i = 0; i < n; i++) {
		char words[64];
		_free_ char *offered = NULL;

		snprintf(words, sizeof(words), "%s --", all[i].name);
		offered = complete(words, 2);
		cr_expect_eq(count_words(offered), expect_offered(&all[i], offered), "%s: %s",
			     all[i].name, offered);
	}
}

Test(manual, completion_offers_the_commands)
{
	_free_ char *offered = complete("\"\"", 1);
	size_t n;
	const struct command *all = commands(&n);

	for (size_t i = 0; i < n; i++) {
		char word[64];

		snprintf(word, sizeof(word), " %s ", all[i].name);
		cr_expect(strstr(offered, word), "%s lacks%s", COMPLETION, word);
	}
	cr_expect_eq(count_words(offered), n + 2, "%s", offered); /* --help, --version */
}

Test(manual, completion_offers_values)
{
	_free_ char *kinds = complete("dump \"\"", 2);
	_free_ char *formats = complete("plan -o \"\"", 3);
	_free_ char *split = complete("plan --output = j", 4);
	_free_ char *files = complete("plan --manifests user/man/svcbpf.b", 3);

	cr_expect_str_eq(kinds, " frontends backends affinity conntrack nodes stats all \n.\n");
	cr_expect_str_eq(formats, " table wide json yaml \n.\n");
	cr_expect_str_eq(split, " json \n.\n");
	cr_expect_str_eq(files, " user/man/svcbpf.bash \n.\n");
}
