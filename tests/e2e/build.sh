#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build the real Kubernetes programs that the tests run against, and print the folder they are in.
#
#   tests/e2e/build.sh [NAME...]            default: control-plane
#   tests/e2e/build.sh --folder [NAME...]   only print the folder; exit 1 when one of them is not there
#
#   control-plane  etcd kube-apiserver kube-controller-manager
#   cluster        kube-scheduler kubelet kubectl kube-proxy agnhost e2e.test ginkgo coredns, and those above
#   tools          helm actionlint
#
# The versions are those that the go.mod of this folder, of coredns and of tools pin. The sources come
# through the Go module proxy that the environment names (GOPROXY), checked against go.sum; what is
# built stays in a folder named by the versions under $SVCBPF_E2E_CACHE (default ~/.cache/svcbpf-e2e).
# On 2 cores the control plane takes about 7 minutes the first time, the cluster 25 to 35, with 5 GB of
# disk and 3 GB of memory; a build that is interrupted is taken up again.
#
# Needs curl, python3, and a Go from 1.21 on, which fetches the toolchain that go.mod names by itself.
# Where there is only an older one (Debian 12 has 1.19), that toolchain is fetched here, and checked
# against toolchain.sum.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"

control_plane=(etcd kube-apiserver kube-controller-manager)
cluster=("${control_plane[@]}" kube-scheduler kubelet kubectl kube-proxy agnhost e2e.test ginkgo coredns)
tools=(helm actionlint)
cache=${SVCBPF_E2E_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/svcbpf-e2e}
kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
toolchain=$(awk '$1 == "toolchain" { print $2 }' go.mod)
folder=$cache/$kubernetes-$(cat {.,coredns,tools}/go.{mod,sum} | sha256sum | cut -c 1-12)

die() {
	echo "build.sh: $1" >&2
	exit 1
}

package() { # NAME
	case $1 in
	etcd) echo go.etcd.io/etcd/server/v3 ;;
	kube-* | kubelet | kubectl) echo "k8s.io/kubernetes/cmd/$1" ;;
	agnhost) echo k8s.io/kubernetes/test/images/agnhost ;;
	e2e.test) echo k8s.io/kubernetes/test/e2e ;;
	ginkgo) echo github.com/onsi/ginkgo/v2/ginkgo ;;
	coredns) echo . ;;
	helm) echo helm.sh/helm/v3/cmd/helm ;;
	actionlint) echo github.com/rhysd/actionlint/cmd/actionlint ;;
	esac
}

# The first module proxy that the environment names; any Go, old ones too, has a default.
proxy() {
	local configured=${GOPROXY:-} one
	[ -n "$configured" ] || ! command -v go >/dev/null || configured=$(go env GOPROXY)
	for one in ${configured//[,|]/ }; do
		[ "$one" = direct ] || [ "$one" = off ] || { echo "${one%/}" && return; }
	done
	die "no module proxy is known: install golang-go, or set GOPROXY"
}

is_new_enough() { # GO - whether it can fetch the toolchain that go.mod names
	local version
	version=$("$1" env GOVERSION 2>/dev/null) || return 1
	[[ $version =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 21 ]
}

# Unpack a toolchain module and compare what it holds with its line in toolchain.sum.
unpack() { # ZIP VERSION FOLDER
	python3 -IS - "$@" <<'PYTHON'
import base64, hashlib, os, sys, zipfile

archive, version, folder = sys.argv[1:]
prefix = f"golang.org/toolchain@{version}/"
lines = []
with zipfile.ZipFile(archive) as files:
    for name in sorted(files.namelist()):
        content = files.read(name)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
        inner = os.path.normpath(name[len(prefix):])
        if not name.startswith(prefix) or inner.startswith(("/", "..")):
            sys.exit(f"build.sh: a toolchain has no file {name!r}")
        path = os.path.join(folder, inner)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content)
        is_program = inner.startswith(("bin/", "pkg/tool/"))
        os.chmod(path, 0o755 if is_program else 0o644)
total = base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()
with open("toolchain.sum", encoding="ascii") as known:
    if f"golang.org/toolchain {version} h1:{total}\n" not in known:
        sys.exit(f"build.sh: toolchain {version}: checksum h1:{total} is not in toolchain.sum")
PYTHON
}

fetch_toolchain() { # FOLDER
	local version machine scratch url
	case $(uname -m) in
	x86_64) machine=amd64 ;;
	aarch64) machine=arm64 ;;
	*) die "needs Go 1.21 or newer on a $(uname -m)" ;;
	esac
	version=v0.0.1-$toolchain.linux-$machine
	scratch=$1.new
	rm -rf "$scratch"
	mkdir -p "$scratch"
	url=$(proxy)
	echo "build.sh: fetching $toolchain" >&2
	curl -fsSL --retry 3 --max-time 600 -o "$scratch.zip" "$url/golang.org/toolchain/@v/$version.zip" ||
		die "could not fetch $toolchain from the module proxy"
	unpack "$scratch.zip" "$version" "$scratch"
	rm "$scratch.zip"
	mv "$scratch" "$1"
}

# Sets $go.
find_go() {
	go=$(command -v go || :)
	if [ -n "$go" ] && is_new_enough "$go"; then
		export GOTOOLCHAIN=auto
		return
	fi
	go=$cache/$toolchain/bin/go
	[ -x "$go" ] || fetch_toolchain "$cache/$toolchain"
	export GOTOOLCHAIN=local GOROOT=$cache/$toolchain
}

build() { # NAME
	local flags='-s -w' start=$SECONDS module=. how=(build)
	case $1 in
	kube* | e2e.test)
		flags+=" -X k8s.io/component-base/version.gitVersion=$kubernetes -X k8s.io/component-base/version.gitMajor=1 \
-X k8s.io/component-base/version.gitMinor=$(cut -d . -f 2 <<<"$kubernetes")"
		;;
	coredns) module=coredns ;;
	helm | actionlint) module=tools ;;
	esac
	[ "$1" != e2e.test ] || how=(test -c)
	echo "build.sh: building $1" >&2
	CGO_ENABLED=0 GOFLAGS='' GOWORK=off "$go" -C "$module" "${how[@]}" -mod=readonly -buildvcs=false -trimpath \
		-ldflags "$flags" -o "$folder/$1.new" "$(package "$1")" >&2
	mv "$folder/$1.new" "$folder/$1"
	echo "build.sh: $1 took $((SECONDS - start)) s" >&2
}

all_there() {
	local name
	for name in "${wanted[@]}"; do
		[ -x "$folder/$name" ] || return 1
	done
}

# Sets $wanted.
expand() { # NAME...
	local name
	wanted=()
	for name in "${@:-control-plane}"; do
		case $name in
		control-plane) wanted+=("${control_plane[@]}") ;;
		cluster) wanted+=("${cluster[@]}") ;;
		tools) wanted+=("${tools[@]}") ;;
		*)
			[[ " ${cluster[*]} ${tools[*]} " == *" $name "* ]] ||
				die "unknown program '$name'; known: control-plane cluster tools ${cluster[*]} ${tools[*]}"
			wanted+=("$name")
			;;
		esac
	done
}

only_folder=
if [ "${1:-}" = --folder ]; then
	only_folder=1
	shift
fi
expand "$@"
if ! all_there; then
	[ -z "$only_folder" ] || die "not built yet: tests/e2e/build.sh ${*:-control-plane}"
	mkdir -p "$folder"
	exec {lock}>"$cache/lock"
	flock "$lock"
	find_go
	for name in "${wanted[@]}"; do
		[ -x "$folder/$name" ] || build "$name" {lock}>&-
	done
fi
echo "$folder"
