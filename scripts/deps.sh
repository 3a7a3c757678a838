#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages that building, testing and linting svcbpf need: the only list there is.
#
#   scripts/deps.sh            install what is missing (needs root)
#   scripts/deps.sh --list     print the list, one package a line
#   scripts/deps.sh --missing  print what is not installed; exit 1 when there is any
#
# SVCBPF_DEPS chooses the groups: build, image, deb, demo, test, cluster, lint, kernels (default:
# "build test lint").
set -euo pipefail

# "a|b=package": nothing is missing where one of the commands (or files) a, b exists.
build=(make gcc libc6-dev git pkg-config clang bpftool libbpf-dev libelf-dev zlib1g-dev
	linux-libc-dev libcurl4-openssl-dev libcjson-dev libyaml-dev libevent-dev uthash-dev
	libsmartcols-dev libmnl-dev libcap-dev iproute2)
image=(ca-certificates)
deb=(debhelper dpkg-dev)
demo=(curl python3 util-linux procps)
test=("${demo[@]}" "${image[@]}" "${deb[@]}" lintian systemd libcriterion-dev libclang-rt-dev kmod man-db
	groff-base openssl iperf3 traceroute iputils-ping ethtool iptables nftables libcap2-bin
	containerd=containerd runc=runc promtool=prometheus 'node=nodejs'
	'go=golang-go')
cluster=(containerd=containerd runc=runc containernetworking-plugins busybox-static bind9-dnsutils curl
	iproute2 netcat-openbsd wget iptables nftables openssl procps python3)
lint=(clang-format clang-tidy sparse shellcheck)
kernels=(qemu-system-x86 qemu-system-common cpio busybox-static xz-utils kmod
	debian-archive-keyring '/usr/lib/qemu/virtiofsd|/usr/libexec/virtiofsd=virtiofsd')

die() {
	echo "deps.sh: $1" >&2
	exit "${2:-1}"
}

# The entries of the chosen groups, one a line.
entries() {
	local group

	for group in ${SVCBPF_DEPS:-build test lint}; do
		case $group in
		build) printf '%s\n' "${build[@]}" ;;
		image) printf '%s\n' "${image[@]}" ;;
		deb) printf '%s\n' "${deb[@]}" ;;
		demo) printf '%s\n' "${demo[@]}" ;;
		test) printf '%s\n' "${test[@]}" ;;
		cluster) printf '%s\n' "${cluster[@]}" ;;
		lint) printf '%s\n' "${lint[@]}" ;;
		kernels) printf '%s\n' "${kernels[@]}" ;;
		*) die "unknown group '$group'; known: build image deb demo test cluster lint kernels" 2 ;;
		esac
	done
}

is_satisfied() {
	local entry=$1 package=${1##*=} choices choice

	if [ "$entry" != "$package" ]; then
		IFS='|' read -ra choices <<<"${entry%=*}"
		for choice in "${choices[@]}"; do
			command -v "$choice" >/dev/null && return 0
		done
	fi
	dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii'
}

# The package of each entry, one a line.
packages() {
	local entry

	while read -r entry; do
		echo "${entry##*=}"
	done <<<"$list"
}

# The packages that are not there, one a line.
missing() {
	local entry

	while read -r entry; do
		[ -z "$entry" ] || is_satisfied "$entry" || echo "${entry##*=}"
	done <<<"$list"
}

install_missing() {
	local need

	mapfile -t need < <(missing)
	[ ${#need[@]} -gt 0 ] || return 0
	apt-get -q -o Acquire::Retries=3 install -y --no-install-recommends "${need[@]}" ||
		die "apt-get could not install: ${need[*]}"
}

list=$(entries)
case ${1:-} in
--list)
	packages
	exit
	;;
--missing | "")
	command -v dpkg-query >/dev/null ||
		die "not a Debian system; install the equivalents of: $(packages | xargs)"
	;;
*) die "unknown argument '$1'; use --list, --missing or nothing" 2 ;;
esac

mapfile -t need < <(missing)
[ ${#need[@]} -gt 0 ] || exit 0
if [ "${1:-}" = --missing ]; then
	printf '%s\n' "${need[@]}"
	exit 1
fi
[ "$(id -u)" = 0 ] || die "missing: ${need[*]}; install them as root: sudo scripts/deps.sh"
echo "deps.sh: installing ${need[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o Acquire::Retries=3 update ||
	echo "deps.sh: apt-get update failed, trying with the package lists as they are" >&2
# First what has no alternative: it may bring the file that satisfies an entry which has one.
all=$list
list=$(grep -v = <<<"$all") || list=
install_missing
list=$all
install_missing
