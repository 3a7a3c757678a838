#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Make a container image of a root file system, without a daemon: an archive as `docker save` writes
# it, for `docker load -i`, `ctr -n k8s.io images import`, `kind load image-archive`, podman, skopeo.
#
#   scripts/image/archive.sh FOLDER ARCHIVE NAME:TAG
#
# One layer, nothing compressed. The same folder, name and SOURCE_DATE_EPOCH (default 0) make the same
# bytes. What the configuration says is what scripts/image/Dockerfile says; tests/net/60_image.sh
# compares them. Needs tar, sha256sum and dpkg (for the architecture's name); no root.
set -euo pipefail

die() {
	echo "archive.sh: $*" >&2
	exit 1
}

[ $# = 3 ] || die "usage: scripts/image/archive.sh FOLDER ARCHIVE NAME:TAG"
root=$1 archive=$2 image=$3
epoch=${SOURCE_DATE_EPOCH:-0}
[ -x "$root/usr/sbin/svcbpf" ] || die "$root holds no svcbpf: scripts/image/rootfs.sh makes it"
[[ $image =~ ^[a-z0-9][a-z0-9._/:-]*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] ||
	die "'$image' names no image: NAME:TAG, the name in small letters, the tag of letters, digits, . _ and -"

# Go's name of this machine's architecture, which is what image configurations have.
architecture() {
	local name
	name=$(dpkg --print-architecture)
	case $name in
	i386) echo 386 ;;
	ppc64el) echo ppc64le ;;
	*) echo "$name" ;;
	esac
}

# tar without anything that depends on who calls it and when.
pack() { # FOLDER NAME...
	local folder=$1
	shift
	tar -C "$folder" --format=ustar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
		--mode=u+rw,go-w -cf - "$@"
}

config() { # DIGEST-OF-LAYER
	local created
	created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
	cat <<-JSON
		{
		  "architecture": "$(architecture)",
		  "os": "linux",
		  "created": "$created",
		  "config": {
		    "Env": ["PATH=/usr/sbin"],
		    "Entrypoint": ["/usr/sbin/svcbpf"],
		    "Cmd": ["run"],
		    "WorkingDir": "/",
		    "Labels": {
		      "org.opencontainers.image.title": "svcbpf",
		      "org.opencontainers.image.description": "Kubernetes Services in eBPF, in place of kube-proxy",
		      "org.opencontainers.image.licenses": "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)",
		      "org.opencontainers.image.version": "${image##*:}"
		    }
		  },
		  "rootfs": {"type": "layers", "diff_ids": ["sha256:$1"]},
		  "history": [{"created": "$created", "created_by": "scripts/image/archive.sh"}]
		}
	JSON
}

digest() { # FILE
	sha256sum "$1" | cut -d ' ' -f 1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
pack "$root" . >"$scratch/layer.tar"
layer=$(digest "$scratch/layer.tar")
config "$layer" >"$scratch/config"
id=$(digest "$scratch/config")
mkdir "$scratch/$layer"
mv "$scratch/layer.tar" "$scratch/$layer/"
mv "$scratch/config" "$scratch/$id.json"
printf '[{"Config":"%s","RepoTags":["%s"],"Layers":["%s"]}]\n' "$id.json" "$image" "$layer/layer.tar" \
	>"$scratch/manifest.json"
# The manifest first: who reads the archive as a stream knows at once what is to come.
pack "$scratch" manifest.json "$id.json" "$layer/layer.tar" >"$archive.new"
mv "$archive.new" "$archive"
awk -v image="$image" -v file="$archive" -v n="$(stat -c %s "$archive")" -v packed="$(gzip -c "$archive" | wc -c)" \
	'BEGIN { printf "%s: %.1f MB, %.1f MB compressed: %s\n", image, n / 1000000, packed / 1000000, file }'
