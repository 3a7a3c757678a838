#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages that building, testing and linting svcbpf need: the only list there is.
#
#   scripts/deps.sh            install what is missing (needs root)
#   scripts/deps.sh --list     print the list, one package a line
#   scripts/deps.sh --missing  print what is not installed; exit 1 when there is any
#
# SVCBPF_DEPS chooses the groups: "build", "test", "lint", "kernels" (default: build test lint).
set -euo pipefail

build=(make gcc libc6-dev git pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev
	linux-libc-dev libcurl4-openssl-dev libcjson-dev libyaml-dev libevent-dev uthash-dev
	libsmartcols-dev libmnl-dev iproute2)
test=(libcriterion-dev curl python3 procps util-linux kmod man-db groff-base)
lint=(clang-format clang-tidy sparse shellcheck)
kernels=(qemu-system-x86 qemu-system-common cpio busybox-static xz-utils)

packages() {
	local group
	for group in ${SVCBPF_DEPS:-build test lint}; do
		case $group in
		build) printf '%s\n' "${build[@]}" ;;
		test) printf '%s\n' "${test[@]}" ;;
		lint) printf '%s\n' "${lint[@]}" ;;
		kernels) printf '%s\n' "${kernels[@]}" ;;
		*) echo "deps.sh: unknown group '$group'; known: build test lint kernels" >&2; return 2 ;;
		esac
	done
}

missing() {
	local pkg
	packages | while read -r pkg; do
		dpkg-query -W -f='${db:Status-Abbrev}' "$pkg" 2>/dev/null | grep -q '^ii' || echo "$pkg"
	done
}

case ${1:-} in
--list) packages; exit ;;
--missing)
	m=$(missing)
	[ -z "$m" ] || { printf '%s\n' "$m"; exit 1; }
	exit 0
	;;
"") ;;
*) echo "deps.sh: unknown argument '$1'; use --list, --missing or nothing" >&2; exit 2 ;;
esac

command -v dpkg-query >/dev/null || {
	echo "deps.sh: this is not Debian; install the equivalents of:" $(packages) >&2
	exit 1
}
mapfile -t need < <(missing)
[ ${#need[@]} -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || { echo "deps.sh: missing: ${need[*]}; run as root: make deps" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${need[@]}"
