#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build the Debian package and print its name: `make deb`.
#
#   scripts/deb/build.sh VERSION      (as `git describe` tells it)
#
# The files of this checkout are copied to $O/deb, with scripts/deb/debian as their debian/, and built
# there by dpkg-buildpackage, with Debian's own compiler flags. The objects stay there for the next time.
# As for every build the running kernel's BTF is read, but $O/gen/vmlinux.h or VMLINUX_H= is taken when
# it is there.
# Needs what SVCBPF_DEPS='build deb' scripts/deps.sh installs. Environment: O build folder (default: build).
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."

die() {
	echo "build.sh: $1" >&2
	exit "${2:-1}"
}

[ $# = 1 ] || die "usage: scripts/deb/build.sh VERSION" 2
version=$1
mkdir -p "${O:-build}/deb"
out=$(cd "${O:-build}" && pwd)
work=$out/deb
tree=$work/svcbpf
log=$work/build.log
for tool in dpkg-buildpackage dh; do
	command -v $tool >/dev/null || die "$tool is not installed: SVCBPF_DEPS='build deb' scripts/deps.sh"
done

# debian_version DESCRIBED - v1.2.0 is 1.2.0, five commits later it is 1.2.0+5.gabcdef0, which is newer;
# without any tag it is older than every release, and in the order of the commits.
debian_version() {
	local text=${1#v} dirty=''

	[[ $text != *-dirty ]] || dirty=+dirty
	text=${text%-dirty}
	if [[ $text =~ ^[0-9]+(\.[0-9]+)+ ]]; then
		text=${text/-/+}
		echo "${text//-/.}$dirty"
	else
		echo "0~git$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d%H%M%S).$text$dirty"
	fi
}

# What is built, of this checkout, with its times, so that make knows what it has built before.
copy_tree() {
	rm -rf "$tree"
	mkdir -p "$tree"
	git ls-files -co -z --exclude-standard -- Makefile LICENSE bpf include user scripts |
		while IFS= read -rd '' file; do
			[ ! -f "$file" ] || printf '%s\0' "$file"
		done | tar --null -T - -cf - | tar -xf - -C "$tree"
	cp -r scripts/deb/debian "$tree/debian"
}

# write_changelog VERSION - one entry: what changed is told by git, and by the tags of releases.
write_changelog() {
	cat >"$tree/debian/changelog" <<-END
		svcbpf ($1-1) unstable; urgency=medium

		  * Built from commit $(git rev-parse --short HEAD).

		 -- $(sed -n 's/^Maintainer: //p' "$tree/debian/control")  $(git log -1 --format=%cD)
	END
}

git rev-parse --git-dir >/dev/null || die "git cannot read this checkout: its files and version are not known"
package_version=$(debian_version "$version")
copy_tree
write_changelog "$package_version"
unset MAKEFLAGS MAKELEVEL MFLAGS SAN CFLAGS LDFLAGS # of the `make deb` that called us
export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-parallel=$(nproc)}
export SVCBPF_VERSION=$version SVCBPF_OBJECTS=$work/objects
export SVCBPF_VMLINUX_H=${VMLINUX_H:-}
[ -n "$SVCBPF_VMLINUX_H" ] || [ ! -s "$out/gen/vmlinux.h" ] || SVCBPF_VMLINUX_H=$out/gen/vmlinux.h
rm -f "$work"/svcbpf*.deb "$work"/svcbpf*.changes "$work"/svcbpf*.buildinfo "$out"/svcbpf_*.deb
if ! (cd "$tree" && dpkg-buildpackage -b -us -uc) </dev/null >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	die "dpkg-buildpackage failed; all it said is in $log"
fi
package=$work/svcbpf_$package_version-1_$(dpkg --print-architecture).deb
[ -f "$package" ] || die "dpkg-buildpackage made no $package; what it said is in $log"
ln "$package" "$out/"
echo "$out/${package##*/}"
