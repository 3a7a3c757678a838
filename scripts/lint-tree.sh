# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Checks of the tree itself, sourced by lint.sh. Each prints its findings and fails if there are any.
# The arrays files (all that is tracked), sources (.c, .h), user_sources and scripts are lint.sh's.

# none MESSAGE - copies standard input, each line after MESSAGE, and fails unless it was empty.
none() {
	local line found=0

	while read -r line; do
		echo "$line: $1"
		found=1
	done
	[ $found = 0 ]
}

# "FILE INCLUDED" for each #include of the given files.
includes_of() {
	grep -HE '^[[:space:]]*#[[:space:]]*include' "$@" |
		sed -nE 's/^([^:]*):.*include *[<"]([^>"]*)[>"].*/\1 \2/p'
}

# cmd -> source, datapath -> model -> util; http knows only util.
allowed_layers() {
	case $1 in
	cmd) echo cmd source datapath http model util ;;
	source) echo source http model util ;;
	datapath) echo datapath model util ;;
	http) echo http util ;;
	model) echo model util ;;
	util) echo util ;;
	*) return 1 ;;
	esac
}

# Libraries a layer must not know.
forbidden_libraries() {
	case $1 in
	model) echo '^(bpf|curl|cjson|event2|linux)/|^(yaml|libsmartcols|cJSON|argp)\.h$' ;;
	datapath) echo '^(curl|cjson)/|^(yaml|libsmartcols|cJSON|argp)\.h$' ;;
	http) echo '^bpf/|^(yaml|libsmartcols|argp)\.h$' ;;
	source) echo '^bpf/|^(libsmartcols|argp)\.h$' ;;
	util) echo '^(bpf|curl|cjson)/|^(yaml|libsmartcols|cJSON|argp)\.h$' ;;
	*) echo '^$' ;;
	esac
}

check_include() {
	local file=$1 included=$2 layer target

	layer=${file#user/} layer=${layer%%/*} target=${included%%/*}
	if ! allowed_layers "$layer" >/dev/null; then
		echo "$file: user/$layer is not a layer"
		return
	fi
	if [ -d "user/$target" ] && [[ " $(allowed_layers "$layer") " != *" $target "* ]]; then
		echo "$file: includes $included: $layer must not know $target"
	fi
	if [[ $included =~ $(forbidden_libraries "$layer") ]]; then
		echo "$file: includes $included: not in $layer"
	fi
	# Generated skeletons are included by object.c and overflow.c only.
	if [[ $included == *.skel.h && $file != user/datapath/object.c &&
		$file != user/datapath/overflow.c ]]; then
		echo "$file: includes $included: only object.c and overflow.c of user/datapath may"
	fi
}

tree_layers() {
	local file included

	includes_of "${user_sources[@]}" | while read -r file included; do
		check_include "$file" "$included"
	done | none 'layers'
}

# The first line says the licence: that of the folder, and of all BPF programs, tests too.
tree_spdx() {
	local file line wanted

	for file in "${sources[@]}" "${scripts[@]}"; do
		wanted=Apache-2.0
		[[ $file != bpf/* && $file != include/svcbpf/* && $file != *.bpf.c ]] ||
			wanted='GPL-2.0-only OR BSD-2-Clause'
		line=$(head -n 1 "$file")
		[[ $line != '#!'* ]] || line=$(sed -n 2p "$file")
		case $line in
		"/* SPDX-License-Identifier: $wanted */" | "// SPDX-License-Identifier: $wanted") ;;
		"# SPDX-License-Identifier: $wanted") ;;
		*) echo "$file" ;;
		esac
	done | none "does not begin with its SPDX line"
}

tree_length() {
	wc -l "${sources[@]}" "${scripts[@]}" | awk '$2 != "total" && $1 > 600 { print $2 " (" $1 ")" }' |
		none 'more than 600 lines: split it'
}

# A statement that opens a fifth level: five tabs before it.
tree_nesting() {
	grep -nHP '^\t{5,}(if|for|while|do|switch)\b' "${sources[@]}" | cut -d: -f1,2 |
		none 'more than 4 levels of nesting'
}

# The brackets keep these patterns from finding themselves.
tree_private_names() {
	{
		grep -nHIE '(^|[^A-Za-z0-9_.~}])/(work|root|home|farm)/' "${files[@]}"
		grep -nHIiE 'deb[.]debian|security[.]debian|snapshot[.]debian|pypi[.]org|pythonhosted[.]org' \
			"${files[@]}"
		grep -nHIiE 'crates[.]io|proxy[.]golang|npmjs[.]|repo[0-9]*[.]maven|repo[.]maven' \
			"${files[@]}"
	} | cut -c 1-160 | none 'names a path of one machine, or a package registry'
}

tree_top_level() {
	printf '%s\n' "${files[@]%%/*}" | sort -u |
		grep -vxE 'bpf|user|include|tests|scripts|Makefile|README\.md|LICENSE|\..*' |
		none 'not in the top level: bpf user include tests scripts Makefile README.md LICENSE'
}

# Debian's word lists apart, a tree of text: nothing generated, nothing binary but fixtures.
tree_generated() {
	printf '%s\n' "${files[@]}" | grep -E '\.(o|a|so|skel\.h)$|(^|/)vmlinux\.h$' |
		none 'generated files do not belong into git'
}
