#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The container image: what is in it, that it works with a read-only root and three capabilities, and
# that containerd takes its archive and runs it.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/image.sh
. "$(dirname "$0")/image.sh"
unset T_DEVICES

limit_bytes=25000000
needed=$((1 << 12 | 1 << 38 | 1 << 39)) # CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF
binary=$SVCBPF

# ------------------------------------------------------------------ what is in it
i_assemble
files() { (cd "$I_ROOT" && find . "$@" | LC_ALL=C sort); }
loader=$(LC_ALL=C readelf -l "$binary" | sed -nE 's/.*interpreter: (.*)\]/\1/p')

t_is "two files are executable: svcbpf and the loader" "$(files -type f -perm /111)" \
	".$(realpath --relative-to="$I_ROOT" "$I_ROOT$loader" | sed 's|^|/|')
./usr/sbin/svcbpf"
t_is "none is a script" \
	"$(cd "$I_ROOT" && files -type f -perm /111 | xargs awk 'FNR == 1 && /^#!/ { print FILENAME }')" ""
t_is "none is setuid, setgid, or writable by others" "$(files -type f -perm /6022)" ""
t_is "none has capabilities of its own" "$(getcap -r "$I_ROOT")" ""
t_is "there are files, folders and links only" "$(files ! -type f ! -type d ! -type l)" ""
t_is "no link points nowhere" "$(files -xtype l)" ""
t_is "no path of the machine that built it" \
	"$(cd "$I_ROOT" && files -type f -exec grep -lF "$T_ROOT/" {} +)" ""

size=$(find "$I_ROOT" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
if [ "${SAN:-0}" = 1 ]; then
	t_skip "smaller than 25 MB" "the sanitizers' libraries come on top"
else
	t_ok "smaller than 25 MB: $size bytes" [ "$size" -lt $limit_bytes ]
fi

# Each library belongs to a package that a scanner finds, with its licence.
packages_of_libraries() {
	local library
	ldd "$binary" | grep -oE '/[^ ]+' | while read -r library; do
		library=$(realpath "$library")
		dpkg-query -S "$library" 2>/dev/null || dpkg-query -S "${library#/usr}"
	done | sed 's/:.*//' | sort -u
}
described=$(find "$I_ROOT/var/lib/dpkg/status.d" -type f -printf '%f\n' | LC_ALL=C sort)
t_is "every library's package is described" \
	"$(comm -23 <(packages_of_libraries | LC_ALL=C sort) <(echo "$described"))" ""
t_is "... with its version" \
	"$(grep -h ^Version: "$I_ROOT"/var/lib/dpkg/status.d/libcurl* | head -n 1)" \
	"Version: $(dpkg-query -W -f '${Version}' libcurl4)"
for package in $described; do
	[ -s "$I_ROOT/usr/share/doc/$package/copyright" ] || echo "$package"
done >"$T_DIR/unlicensed"
t_is "... and its licence is there" "$(<"$T_DIR/unlicensed")" ""

first=$(sha256sum <"$I_ARCHIVE")
rm -r "$I_ROOT"
i_assemble
t_is "made again, the archive is the same to the byte" "$(sha256sum <"$I_ARCHIVE")" "$first"

# ------------------------------------------------------------------ the Dockerfile says the same
tar -xOf "$I_ARCHIVE" manifest.json >"$T_DIR/manifest.json"
tar -xOf "$I_ARCHIVE" "$(t_json 'd[0]["Config"]' <"$T_DIR/manifest.json")" >"$T_DIR/config.json"
config() { t_json "$1" <"$T_DIR/config.json"; }
final_stage=$(sed -n '/^FROM scratch/,$p' "$T_ROOT/scripts/image/Dockerfile")
docker() { sed -nE "s/^$1 (.*)/\1/p" <<<"$final_stage"; }
t_is "the entry point is the Dockerfile's" "$(docker ENTRYPOINT)" \
	"$(config 'json.dumps(d["config"]["Entrypoint"])')"
t_is "so is the command" "$(docker CMD)" "$(config 'json.dumps(d["config"]["Cmd"])')"
t_is "so is the environment" "$(docker ENV)" "$(config '"\n".join(d["config"]["Env"])')"
t_is "so are the labels" "$(grep -oE 'org\.[a-z.]+="[^"]*"' <<<"$final_stage" | grep -v version)" \
	"$(config '"\n".join(f"{k}=\"{v}\"" for k, v in d["config"]["Labels"].items() if "version" not in k)')"
t_is "the version is the tag" "$(config 'd["config"]["Labels"]["org.opencontainers.image.version"]')" test
t_is "the layer is what it says" "sha256:$(tar -xOf "$I_ARCHIVE" \
	"$(t_json 'd[0]["Layers"][0]' <"$T_DIR/manifest.json")" | sha256sum | cut -d ' ' -f 1)" \
	"$(config 'd["rootfs"]["diff_ids"][0]')"

# ------------------------------------------------------------------ in a chroot
i_mount
i_wrapper "$T_DIR/confined"
libraries=$(capsh --chroot="$I_ROOT" --shell="$loader" -- --list /usr/sbin/svcbpf 2>&1)
t_like "the loader finds libcurl" "$libraries" 'libcurl.* => /usr/lib'
t_is "... and every library" "$(grep 'not found' <<<"$libraries")" ""
t_ok "the root is read-only" bash -c "! touch '$I_ROOT/etc/new' 2>/dev/null"

t_addresses 10.244.0.1 10.244.0.2 fd00:244::1
t_answer 10.244.0.1:8080 10.244.0.2:8080 '[fd00:244::1]:8080'
t_pod pod1 10.244.1.2 fd00:244:1::2
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
web() { t_service web ip=10.96.0.10,fd00:96::10 nodeport=30080 proto=TCP "$@"; }
caps() { sed -nE "s/^$2:\s*0*([0-9a-f]*)$/\1/p" "/proc/$1/status"; }
same() { cmp -s <("$binary" dump -o json --pin-dir "$T_PINS") <(t_plan -o json); }

web backends=10.244.0.1,fd00:244::1
SVCBPF=$T_DIR/confined
t_start_agent
t_sync
t_is "chroot: it is the image's svcbpf" "$(readlink "/proc/$t_agent_pid/root")" "$I_ROOT"
t_is "... with three capabilities" "$(caps "$t_agent_pid" CapEff)" "$(printf %x $needed)"
t_is "... a connect reaches the backend" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080
t_is "... IPv6" "$(t_name '[fd00:96::10]:80')" '[fd00:244::1]:8080'
web backends=10.244.0.2,fd00:244::1
t_sync
t_is "... a changed Service is followed" "$(t_name 10.96.0.10:80)" 10.244.0.2:8080
t_ok "... dump is what svcbpf outside says" same
t_is "... from a pod" "$(t_name_in_pod pod1 10.96.0.10:80)" 10.244.0.2:8080
status=$("$SVCBPF" status --pin-dir "$T_PINS" 2>&1) || t_diag "$status"
t_like "... status: the self-test passed" "$status" '^self-test +passed'
t_like "... status: the pod's device has the packet programs" "$status" '^devices +1 '
t_ok "... verify: the kernel holds the plan" "$SVCBPF" verify --manifests "$T_MANIFESTS" --pin-dir "$T_PINS"
t_stop_agent
t_is "... it ends well" "$t_agent_status" 0
t_ok "... cleanup" "$SVCBPF" cleanup --pin-dir "$T_PINS"
t_ok "... nothing is left" [ ! -e "$T_PINS" ]

# ------------------------------------------------------------------ in containerd
i_start_containerd
healthy() { curl -sf -o /dev/null http://127.0.0.1:10256/healthz; }
serves() { [ "$(t_name 10.96.0.10:80)" = "$1" ]; }
container() { t_diag "$(tail -n 5 "$T_DIR/container.log")"; }

t_is "containerd imports the archive: all of it is there" "$(i_ctr images check -q)" "$_i_reference"
i_run --env NODE_NAME=node --mount "type=bind,src=$T_MANIFESTS,dst=/etc/svcbpf,options=rbind:ro" -- \
	run --manifests /etc/svcbpf --cgroup /host/cgroup --metrics-bind-address= ||
	t_bail "ctr runs it" "$(cat "$T_DIR/container.log")"
t_ok "container: /healthz answers" t_wait 30 healthy || container
pid=$(i_pid)
t_is "... runs what the image has" "$(readlink "/proc/$pid/exe")" /usr/sbin/svcbpf
for field in CapEff CapPrm; do
	t_is "... $field: three capabilities" "$(caps "$pid" $field)" "$(printf %x $needed)"
done
t_is "... under the runtime's seccomp profile" "$(sed -nE 's/^Seccomp:\s*//p' "/proc/$pid/status")" 2
t_is "... in a cgroup namespace that does not see the agent's cgroup" "$(nsenter \
	--cgroup="/proc/$pid/ns/cgroup" sed -nE 's|.* ([^ ]+) /host/cgroup .*|\1|p' "/proc/$pid/mountinfo")" /..
t_is "... with a read-only root" "$(awk '$5 == "/" { split($6, o, ","); print o[1] }' "/proc/$pid/mountinfo")" ro
t_is "... a connect reaches the backend" "$(t_name 10.96.0.10:80)" 10.244.0.2:8080
web backends=10.244.0.1,fd00:244::1
t_ok "... a changed Service is followed" t_wait 10 serves 10.244.0.1:8080
for command in dump 'dump stats' 'dump -o json' status version 'verify --manifests /etc/svcbpf' \
	'plan --manifests /etc/svcbpf'; do
	# shellcheck disable=SC2086 # words
	t_ok "... exec: svcbpf $command" i_exec svcbpf $command
done
t_is "... exec: dump shows the kernel's state" "$(i_exec svcbpf dump -o json)" "$(t_dump -o json)"
t_like "... exec: no shell" "$(i_exec sh -c true 2>&1 || :)" 'not found|no such file'
i_stop
t_is "... it ends well" "$i_status" 0
t_is "... and Services go on" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080
i_run -- cleanup || t_bail "ctr runs cleanup" "$(cat "$T_DIR/container.log")"
t_ok "... cleanup in a container of its own" t_wait 10 [ ! -e "$T_DIR/bpf/svcbpf" ]
t_done
