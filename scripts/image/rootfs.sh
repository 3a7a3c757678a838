#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Assemble the root file system of the container image: all that is in it, from one built binary.
#
#   scripts/image/rootfs.sh BINARY FOLDER     FOLDER is made; it must not exist, or be empty
#
# In it: svcbpf without debugging symbols, the shared libraries it needs, the loader and its cache,
# Mozilla's certificate authorities (for API servers whose kubeconfig names none), four files that
# libc and scanners look for, licences, and what dpkg says of each package, so that scanners know
# which versions these are. No shell, nothing setuid, no other program.
#
# Needs Debian (dpkg, ldconfig, strip, ca-certificates); no root. Every file gets the time
# SOURCE_DATE_EPOCH (default 0), so that the same packages make the same tree.
set -euo pipefail

die() {
	echo "rootfs.sh: $*" >&2
	exit 1
}

[ $# = 2 ] || die "usage: scripts/image/rootfs.sh BINARY FOLDER"
binary=$1 out=$2
licence=$(cd "$(dirname "$0")/../.." && pwd)/LICENSE
authorities=/usr/share/ca-certificates/mozilla
umask 022

# "PACKAGE PATH" of what ships the libraries. Where /lib is a link to /usr/lib, dpkg knows a file by one
# of its two names: it is asked for both, and complains of the one it does not know.
packages_of() { # REAL-PATH...
	{ dpkg-query -S "$@" "${@#/usr}" 2>/dev/null || :; } | sed -E 's/, [^:]*(:[^ ]*)?: /: /; s/: / /' |
		sed -E 's| /lib| /usr/lib|'
}

# "NAME PATH" of each shared library, the loader under its absolute name.
libraries() {
	local found
	found=$(ldd "$binary") || die "$binary: $found"
	! grep 'not found' <<<"$found" || die "$binary: libraries are missing; scripts/deps.sh installs them"
	awk '$2 == "=>" { print $1, $3 } $1 ~ /^\// { print $1, $1 }' <<<"$found"
}

put() { # MODE FROM TO
	install -D -m "$1" "$2" "$out$3"
}

put_folders() {
	local multilib

	mkdir -p "$out"/{dev,etc/svcbpf,proc,run,sys,usr/sbin,usr/lib,var/lib/svcbpf}
	ln -s usr/sbin "$out/sbin"
	ln -s usr/lib "$out/lib"
	ln -s /run "$out/var/run"
	for multilib in /lib32 /lib64; do # the loader's path is a part of the machine's ABI
		[ "${loader%/*}" != $multilib ] || {
			mkdir "$out/usr$multilib"
			ln -s "usr$multilib" "$out$multilib"
		}
	done
}

put_libraries() {
	local name path owners paths=()

	mapfile -t paths < <(while read -r name path; do realpath "$path"; done <<<"$libraries")
	owners=$(packages_of "${paths[@]}")
	while read -r name path; do
		path=$(realpath "$path")
		packages+=("$(awk -v path="$path" '$2 == path { print $1 }' <<<"$owners")")
		[ -n "${packages[-1]}" ] || die "$path belongs to no Debian package: its licence and version are not known"
		if [ "$name" = "$loader" ]; then
			put 0755 "$path" "$loader"
		else
			put 0644 "$path" "${path%/*}/$name"
			folders+=("${path%/*}")
		fi
	done <<<"$libraries"
}

# Without it the loader would ask for each library in a dozen folders.
put_loader_cache() {
	printf '%s\n' "${folders[@]}" | sort -u >"$out/etc/ld.so.conf"
	PATH=$PATH:/sbin:/usr/sbin ldconfig -X -r "$out"
	rm -rf "$out/etc/ld.so.conf" "$out/var/cache"
}

# Of the package as it is shipped: what an administrator has added to this machine stays on it.
put_authorities() {
	[ -d $authorities ] || die "$authorities is missing: install ca-certificates"
	packages+=(ca-certificates)
	find $authorities -name '*.crt' -print0 | LC_ALL=C sort -z | xargs -0 awk 1 >"$scratch/bundle"
	put 0644 "$scratch/bundle" /etc/ssl/certs/ca-certificates.crt
}

put_settings() {
	echo 'root:x:0:0:root:/:/nonexistent' >"$out/etc/passwd"
	echo 'root:x:0:' >"$out/etc/group"
	printf '%s: files\n' passwd group >"$out/etc/nsswitch.conf"
	echo 'hosts: files dns' >>"$out/etc/nsswitch.conf"
	# Mount points of what a kubelet brings; empty: no name is resolved without it.
	touch "$out"/etc/{hosts,hostname,resolv.conf}
	packages+=(base-files)
	put 0644 /etc/debian_version /etc/debian_version
	put 0644 /usr/lib/os-release /usr/lib/os-release
	ln -s ../usr/lib/os-release "$out/etc/os-release"
}

# One file a package is how images without dpkg keep its database.
put_packages() {
	local described=$out/var/lib/dpkg/status.d package

	mkdir -p "$described"
	mapfile -t packages < <(printf '%s\n' "${packages[@]}" | LC_ALL=C sort -u)
	dpkg-query -s "${packages[@]}" | awk -v folder="$described" \
		'/^Package: / { file = folder "/" $2 } NF { print >file }'
	for package in "${packages[@]%%:*}"; do
		put 0644 "/usr/share/doc/$package/copyright" "/usr/share/doc/$package/copyright"
	done
	put 0644 "$licence" /usr/share/doc/svcbpf/copyright
	cp -RP /usr/share/common-licenses "$out/usr/share/"
}

# "N.N MB WHAT", for people.
show_sizes() {
	local what

	for what in "$out/usr/sbin/svcbpf" "$out/usr/lib" "$out/usr/share" "$out/etc" "$out/var" "$out"; do
		find "$what" -type f -printf '%s\n' | awk -v what="${what#"$out"}" \
			'{ n += $1 } END { printf "  %5.1f MB  %s\n", n / 1000000, what == "" ? "in all" : what }'
	done
}

[ -x "$binary" ] || die "$binary is not there: make"
command -v dpkg-query >/dev/null || die "not a Debian system: build the image with scripts/image/Dockerfile"
if [ -d "$out" ]; then
	[ -z "$(find "$out" -mindepth 1 -print -quit)" ] || die "$out is not empty"
fi
mkdir -p "$out"
out=$(realpath "$out")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
packages=() folders=()
libraries=$(libraries | grep -v '^linux-')
loader=$(awk '$1 ~ /^\// { print $1 }' <<<"$libraries")

put_folders
strip --strip-unneeded --remove-section=.comment --remove-section=.note -o "$scratch/svcbpf" "$binary"
put 0755 "$scratch/svcbpf" /usr/sbin/svcbpf
put_libraries
put_loader_cache
put_authorities
put_settings
put_packages
find "$out" -depth -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
show_sizes
