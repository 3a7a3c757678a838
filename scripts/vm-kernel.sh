#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetch the newest kernel of a Debian suite into the cache and print its folder.
#
#   scripts/vm-kernel.sh SUITE
#
# Nothing is installed: the packages are downloaded with an apt state of their own and unpacked.
# The folder: vmlinuz, version, lib/modules/VERSION, early/NN_*.ko (what mounts the root, in order).
# SVCBPF_MIRROR: the Debian mirror (default: the one apt uses). SVCBPF_VM_UPDATE=1: fetch again.
set -euo pipefail

die() {
	echo "vm-kernel.sh: $*" >&2
	exit 1
}

[ $# = 1 ] || die "usage: vm-kernel.sh SUITE"
suite=$1
[[ $suite =~ ^[a-z][a-z0-9-]*$ ]] || die "'$suite' is not the name of a Debian suite"
[ "$(uname -m)" = x86_64 ] || die "only x86-64 machines can run these kernels"
cache=$(realpath -m "${XDG_CACHE_HOME:-$HOME/.cache}/svcbpf-kernels")
dir=$cache/$suite
new=$cache/.$suite.new
apt_state=$cache/.$suite.apt
apt_options=(-q -o "Dir::Etc::SourceList=$apt_state/sources.list" -o Dir::Etc::SourceParts=/dev/null
	-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
	-o "Dir::State=$apt_state" -o "Dir::State::Lists=$apt_state/lists"
	-o Dir::State::status=/dev/null -o "Dir::Cache=$apt_state/cache"
	-o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root)

mirror() {
	# shellcheck disable=SC2016 # apt-get expands it
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk '/\/debian\/?$/ && !found { print; found = 1 } END { exit !found }'
}

# The packages a package depends on whose name matches an extended regular expression.
depends() {
	apt-cache "${apt_options[@]}" depends "$1" | sed -nE "s/^ *Depends: ($2)\$/\1/p"
}

# Debian's cloud kernel: it has all that the tests need, and is a quarter of the size.
download() {
	local uri version image

	uri=${SVCBPF_MIRROR:-$(mirror)} || die "apt knows no Debian mirror; set SVCBPF_MIRROR"
	mkdir -p "$apt_state"/{lists/partial,cache/archives/partial,debs}
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" \
		>"$apt_state/sources.list"
	apt-get "${apt_options[@]}" update
	image=$(depends linux-image-cloud-amd64 'linux-image-[0-9].*')
	version=${image#linux-image-}
	[ -n "$version" ] || die "suite $suite has no linux-image-cloud-amd64"
	cd "$apt_state/debs"
	# From 7.x on, the image package is empty and depends on its parts.
	# shellcheck disable=SC2046 # a list of package names
	apt-get "${apt_options[@]}" download "$image" \
		$(depends "$image" 'linux-(binary|modules|base)-[0-9].*')
	cd /
	echo "$version" >"$new/version"
}

unpack() {
	local version deb modules image

	version=$(<"$new/version")
	for deb in "$apt_state"/debs/*.deb; do
		dpkg-deb -x "$deb" "$new/root"
	done
	mkdir -p "$new/lib/modules"
	modules=$(find "$new/root" -type d -path "*/lib/modules/$version" -print -quit)
	mv "$modules" "$new/lib/modules/"
	image=$(find "$new/root" "$new/lib/modules/$version" -name 'vmlinuz*' -print -quit)
	cp "$image" "$new/vmlinuz"
	find "$new/lib/modules" -name '*.ko.xz' -exec xz -dq {} +
	touch "$new/lib/modules/$version"/modules.{builtin,order}
	/sbin/depmod -b "$new" "$version"
	rm -rf "$new/root"
}

# modules.dep lists what a module needs, the last one to be loaded first.
collect_early_modules() {
	local base module path n=0

	base=$new/lib/modules/$(<"$new/version")
	mkdir "$new/early"
	for module in virtio_pci virtiofs overlay; do
		for path in $(sed -nE "s#^(.*/$module\.ko):(.*)#\1\2#p" "$base/modules.dep" |
			tr ' ' '\n' | tac); do
			compgen -G "$new/early/*_${path##*/}" >/dev/null && continue
			cp "$base/$path" "$new/early/$(printf %02d $n)_${path##*/}"
			n=$((n + 1))
		done
	done
}

fetch() {
	rm -rf "$new" "$apt_state"
	mkdir -p "$new"
	download
	unpack
	collect_early_modules
	rm -rf "$dir" "$apt_state"
	mv "$new" "$dir"
}

mkdir -p "$cache"
exec 9>"$cache/.$suite.lock"
flock 9
if [ ! -s "$dir/version" ] || [ -n "${SVCBPF_VM_UPDATE:-}" ]; then
	set +e # "fetch || …" would switch off -e inside it
	(
		set -e
		fetch
	) >"$cache/$suite.log" 2>&1
	result=$?
	set -e
	if [ $result != 0 ]; then
		tail -n 5 "$cache/$suite.log" >&2
		die "the kernel of $suite could not be fetched (log: $cache/$suite.log)"
	fi
fi
echo "$dir"
