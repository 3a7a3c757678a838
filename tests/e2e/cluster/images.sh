#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Make the container images that the cluster's pods run, without a registry, and print the folder they
# are in: NAME.tar, archives for `ctr images import`, and "names", a line "NAME IMAGE" for each.
#
#   pause      the first process of each pod
#   agnhost    Kubernetes' test image: its program, and the tools that tests call in it
#   busybox    the same image under the name that other tests ask for
#   coredns    the cluster's DNS
#
# The folder is beside the programs of tests/e2e/build.sh, and named by everything that goes into the
# images: after a change of this script, a program or a Debian package they are made anew (4 s). The
# version of an image is the one that e2e.test asks for.
#
# Needs `tests/e2e/build.sh cluster`, gcc, and Debian's busybox-static bind9-dnsutils curl iproute2
# netcat-openbsd wget.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
programs=$("$here/../build.sh" --folder cluster)
registry=svcbpf.test # a name that nobody can resolve: nothing is ever pulled

# What tests call in the image. busybox is static and brings everything else.
tools=(/bin/bash /usr/bin/curl /usr/bin/dig /usr/bin/nc.openbsd /usr/bin/wget /usr/bin/ss /usr/sbin/ip)
modules=(/lib/*-linux-gnu/libnss_{dns,files}.so.2) # loaded by the C library by name
busybox=/bin/busybox

die() {
	echo "images.sh: $1" >&2
	exit 1
}

for file in "${tools[@]}" "$busybox"; do
	[ -x "$file" ] ||
		die "$file is missing: apt-get install busybox-static bind9-dnsutils curl iproute2 netcat-openbsd wget"
done
ldd "$busybox" >/dev/null 2>&1 && die "$busybox is no static program: apt-get install busybox-static"

# The libraries of programs, one a line.
libraries() { ldd "$@" 2>/dev/null | grep -oE '/[^ :]+\.so[^ :]*' | sort -u; }

key=$({
	sha256sum "$here"/{images.sh,pause.c} "$programs"/{agnhost,coredns} "${tools[@]}" "$busybox" "${modules[@]}"
	libraries "${tools[@]}" | xargs sha256sum
} | awk '{ print $1 }' | sha256sum | cut -c 1-12)
folder=$programs/images-$key
[ ! -e "$folder/names" ] || { echo "$folder" && exit; }
exec {lock}>"$programs/images.lock"
flock "$lock"
[ ! -e "$folder/names" ] || { echo "$folder" && exit; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
rm -rf "$folder"
mkdir -p "$folder"

# version IMAGE - the tag that e2e.test asks for.
version() {
	printf '%s: %s\n' promoterE2eRegistry $registry gcRegistry $registry >"$scratch/registries"
	KUBE_TEST_REPO_LIST=$scratch/registries "$programs/e2e.test" --list-images 2>/dev/null |
		sed -n "s|^$registry/$1:||p" | sort -V | tail -n 1
}

# copy ROOT FILE [PATH] - a file into an image's root folder, at the same path or another.
copy() {
	install -D "$2" "$1${3:-$2}"
}

# image NAME ROOT CONFIG IMAGE... - write the archive: ROOT is its only layer, IMAGE its names.
image() {
	local name=$1 root=$2 config=$3 parts=$scratch/$1.parts sum list
	shift 3
	mkdir -p "$parts"
	tar --numeric-owner --owner=0 --group=0 --sort=name --mtime=@0 -C "$root" -cf "$parts/layer.tar" .
	sum=$(sha256sum "$parts/layer.tar" | cut -d ' ' -f 1)
	list=$(printf '"%s",' "$@")
	cat >"$parts/config.json" <<-JSON
		{"architecture": "$(go_machine)", "os": "linux", "config": $config,
		 "rootfs": {"type": "layers", "diff_ids": ["sha256:$sum"]},
		 "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "images.sh"}]}
	JSON
	echo "[{\"Config\": \"config.json\", \"RepoTags\": [${list%,}], \"Layers\": [\"layer.tar\"]}]" >"$parts/manifest.json"
	tar -C "$parts" -cf "$folder/$name.tar" manifest.json config.json layer.tar
	rm -r "$parts"
}

go_machine() {
	case $(uname -m) in
	x86_64) echo amd64 ;;
	aarch64) echo arm64 ;;
	*) die "no images for a $(uname -m)" ;;
	esac
}

pause_root() {
	mkdir -p "$1"
	gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Os -s -static -o "$1/pause" "$here/pause.c"
}

# "sh" is bash: busybox' own prefers its applets over the programs beside it.
agnhost_root() {
	local root=$1 file
	mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc,root,proc,sys,dev,run,var,uploads} "$root/tmp"
	chmod 1777 "$root/tmp"
	copy "$root" "$busybox" /bin/busybox
	for file in $("$busybox" --list); do
		[ "$file" = busybox ] || ln -s busybox "$root/bin/$file"
	done
	rm -f "$root"/bin/{bash,curl,dig,nc,wget,ss,ip,sh}
	for file in "${tools[@]}"; do
		copy "$root" "$file" "/bin/$(basename "$file" .openbsd)"
	done
	for file in $(libraries "${tools[@]}") "${modules[@]}"; do
		copy "$root" "$file"
	done
	ln -s bash "$root/bin/sh"
	copy "$root" "$programs/agnhost" /agnhost
	echo "hosts: files dns" >"$root/etc/nsswitch.conf"
	echo "tries = 1" >"$root/etc/wgetrc"
	printf '%s\n' root:x:0:0:root:/root:/bin/sh user:x:1000:1000::/:/bin/sh >"$root/etc/passwd"
	printf '%s\n' root:x:0: user:x:1000: >"$root/etc/group"
}

coredns_root() {
	mkdir -p "$1/etc"
	copy "$1" "$programs/coredns" /coredns
}

path='"Env": ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"], "WorkingDir": "/"'
declare -A names=(
	[pause]=$registry/pause:$(version pause)
	[agnhost]=$registry/agnhost:$(version agnhost)
	[busybox]=$registry/busybox:$(version busybox)
	[coredns]=$registry/coredns:test
)
for name in pause agnhost coredns; do
	"${name}_root" "$scratch/$name"
done
image pause "$scratch/pause" "{$path, \"Entrypoint\": [\"/pause\"]}" "${names[pause]}"
image agnhost "$scratch/agnhost" "{$path, \"Entrypoint\": [\"/agnhost\"], \"Cmd\": [\"pause\"]}" \
	"${names[agnhost]}" "${names[busybox]}"
image coredns "$scratch/coredns" "{$path, \"Entrypoint\": [\"/coredns\"]}" "${names[coredns]}"
for name in "${!names[@]}"; do
	echo "$name ${names[$name]}"
done | sort >"$folder/names.new"
mv "$folder/names.new" "$folder/names"
# others may be in use by another checkout
find "$programs" -maxdepth 1 -name 'images-*' ! -name "images-$key" -mtime +1 -exec rm -r {} +
echo "$folder"
