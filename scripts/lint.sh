#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All static checks, one line each; the findings follow the line of a check that failed.
#
#   make lint                          (it passes O, ALL_CFLAGS and BPF_CFLAGS)
#   scripts/lint.sh CHECK...           only these (after a first `make lint`, for its flags)
#
# Exit: 0 clean, 1 findings, 2 usage or a missing tool.
set -u # no pipefail: findings are what the last command of a pipeline says

self=$(readlink -f "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.." || exit 2
# shellcheck source=scripts/lint-tree.sh
. scripts/lint-tree.sh

O=${O:-build}
if [ -z "${ALL_CFLAGS:-}" ] || [ -z "${BPF_CFLAGS:-}" ]; then
	echo "lint.sh: ALL_CFLAGS and BPF_CFLAGS are not set; run it as: make lint [CHECKS=\"...\"]" >&2
	exit 2
fi
export O ALL_CFLAGS BPF_CFLAGS
declare -a cflags bpf_flags
eval "cflags=($ALL_CFLAGS)" # the flags are quoted for a shell
eval "bpf_flags=($BPF_CFLAGS)"
read -ra criterion_flags <<<"$(pkg-config --cflags criterion)"
cflags+=("${criterion_flags[@]}" -Itests)

# Less what gcc says better (decl) and what C11 with cleanup attributes is made of.
sparse_flags=(-D__CHECK_ENDIAN__ -Wsparse-all -Wno-decl -Wno-declaration-after-statement
	-Wno-unknown-attribute -Wno-transparent-union -Wno-flexible-array-sizeof -Wno-sizeof-bool
	-Wno-do-while)

mapfile -t files < <(git ls-files -co --exclude-standard | while read -r file; do
	[ ! -f "$file" ] || echo "$file"
done)
[ ${#files[@]} -gt 0 ] || {
	echo "lint.sh: git lists no files: not a git checkout?" >&2
	exit 2
}
matching() {
	printf '%s\n' "${files[@]}" | grep -E "$1"
}
mapfile -t sources < <(matching '\.[ch]$')
mapfile -t user_sources < <(matching '^user/.*\.[ch]$')
mapfile -t c_files < <(matching '^(user|tests)/.*\.c$' | grep -v '\.bpf\.c$')
mapfile -t user_c_files < <(matching '^user/.*\.c$')
mapfile -t headers < <(matching '^(user|include|tests)/.*\.h$')
mapfile -t bpf_files < <(matching '\.bpf\.c$')
mapfile -t bpf_headers < <(matching '^bpf/.*\.h$')
mapfile -t scripts < <(matching '\.(sh|bash)$|^\.ci/run$')
mapfile -t workflows < <(matching '^\.github/workflows/.*\.ya?ml$')

# --- one file at a time: these run in parallel, as `lint.sh --one FUNCTION FILE`

one_clang_tidy() {
	clang-tidy --quiet "$1" -- "${cflags[@]}" 2>/dev/null
}

one_bpf_tidy() {
	clang-tidy --quiet --checks='-readability-redundant-declaration,-bugprone-reserved-identifier' \
		"$1" -- "${bpf_flags[@]}" -DREVNAT_SLOTS=1 2>/dev/null
}

# Warnings inside system headers are not ours.
one_sparse() {
	sparse "${sparse_flags[@]}" "${cflags[@]}" "$1" 2>&1 |
		grep -vE '^/usr/|: note: in included file|missing braces around initializer|/gen/[a-z_]+\.skel\.h:|^-D|builtin:' | none sparse
}

# uthash's loops explode without these limits: minutes and gigabytes a file.
one_analyzer() {
	timeout 120 gcc "${cflags[@]}" -fanalyzer --param=analyzer-bb-explosion-factor=1 \
		-c -o /dev/null "$1" 2>&1 ||
		{
			[ $? != 124 ] || echo "$1: gcc -fanalyzer does not end"
			false
		}
}

one_header() {
	gcc "${cflags[@]}" -fsyntax-only -x c "$1" 2>&1
}

one_bpf_header() {
	clang "${bpf_flags[@]}" -DREVNAT_SLOTS=1 -Wno-unused-function -fsyntax-only -include vmlinux.h \
		-x c "$1" 2>&1
}

# One process for all of them takes several times as long.
one_shellcheck() {
	shellcheck -x -P SCRIPTDIR "$1"
}

# --- checks

each() { # FUNCTION FILE...
	local function=$1

	shift
	[ $# -gt 0 ] || return 0
	printf '%s\n' "$@" | xargs -d '\n' -P "$(nproc)" -n 1 "$self" --one "$function"
}

check_format() {
	clang-format --dry-run -Werror "${sources[@]}" 2>&1 | sed -nE 's/^([^: ]+):[0-9]+:.*/\1/p' |
		sort -u | none 'not formatted: make fmt'
}

check_clang_tidy() { each one_clang_tidy "${c_files[@]}"; }
check_bpf_tidy() { each one_bpf_tidy "${bpf_files[@]}"; }
check_sparse() { each one_sparse "${c_files[@]}"; }
# Not the tests and measuring tools: ASan watches the tests, and with one_analyzer's limits what a
# cleanup attribute closes in a long program is reported as a leak.
check_analyzer() { each one_analyzer "${user_c_files[@]}"; }
check_headers() { each one_header "${headers[@]}" && each one_bpf_header "${bpf_headers[@]}"; }
check_shellcheck() { each one_shellcheck "${scripts[@]}"; }

# Built from the Go module proxy the first time: half a minute, kept in ~/.cache.
check_workflows() {
	local folder

	folder=$(tests/e2e/build.sh actionlint) && "$folder/actionlint" -no-color "${workflows[@]}"
}

# Padding that is not spelled out would be sent to the kernel uninitialised.
check_padding() {
	gcc "${cflags[@]}" -Wpadded -fsyntax-only -x c include/svcbpf/abi.h 2>&1
}

check_layers() { tree_layers; }
check_spdx() { tree_spdx; }
check_length() { tree_length; }
check_nesting() { tree_nesting; }
check_private_names() { tree_private_names; }
check_top_level() { tree_top_level; }
check_generated() { tree_generated; }

all_checks=(format layers spdx length nesting private_names top_level generated padding headers
	shellcheck workflows sparse analyzer bpf_tidy clang_tidy)

run_check() {
	local name=$1 start=$SECONDS output

	if output=$("check_$name"); then
		printf '  ok      %-14s %3d s\n' "$name" $((SECONDS - start))
		return 0
	fi
	printf '  FAILED  %-14s %3d s\n' "$name" $((SECONDS - start))
	printf '%s\n' "$output" | sed 's/^/    /'
	return 1
}

if [ "${1:-}" = --one ]; then
	output=$("$2" "$3") && exit
	printf '%s\n' "$output"
	exit 1
fi
for tool in clang-format clang-tidy sparse shellcheck gcc clang; do
	command -v $tool >/dev/null || {
		echo "lint.sh: $tool is not installed: SVCBPF_DEPS='build test lint' scripts/deps.sh" >&2
		exit 2
	}
done
[ $# -gt 0 ] || set -- "${all_checks[@]}"
n_failed=0
for name; do
	declare -F "check_$name" >/dev/null || {
		echo "lint.sh: no check '$name'; there are: ${all_checks[*]}" >&2
		exit 2
	}
	run_check "$name" || n_failed=$((n_failed + 1))
done
[ $n_failed = 0 ] || echo "lint: $n_failed of $# checks failed"
[ $n_failed = 0 ]
