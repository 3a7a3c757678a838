#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# svcbpf as a service of the host: `make install`, and the Debian package under a systemd of its own: it is
# installed, configured, started, watched, upgraded, removed and purged there, by its real maintainer scripts.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/systemd.sh
. "$(dirname "$0")/systemd.sh"

for tool in dpkg-buildpackage dh lintian systemd-analyze; do
	command -v $tool >/dev/null || t_skip_all "needs $tool: SVCBPF_DEPS='build deb test' scripts/deps.sh"
done
[ -x /lib/systemd/systemd ] || t_skip_all "needs systemd"
vip=10.96.0.10:80 pins=/sys/fs/bpf/svcbpf

# ------------------------------------------------------------------ make install

# installed DESTDIR - all that is there, with its mode.
installed() { (cd "$1" && find . -type f -printf '%m %p\n' | sort -k 2); }

make_in() {
	(unset MAKEFLAGS && make -s -C "$T_ROOT" O="$T_BUILD" DESTDIR="$T_DIR/dest" PREFIX=/opt/x "$@" 2>&1)
}

t_ok "make install" make_in install
t_is "it honours DESTDIR and PREFIX" "$(installed "$T_DIR/dest")" "$(printf '%s\n' \
	'644 ./etc/svcbpf/config.yaml' \
	'644 ./opt/x/lib/systemd/system/svcbpf.service' \
	'755 ./opt/x/sbin/svcbpf' \
	'644 ./opt/x/share/bash-completion/completions/svcbpf' \
	'644 ./opt/x/share/man/man8/svcbpf.8')"
t_is "the unit starts what was installed" \
	"$(sed -n 's/^ExecStart=//p' "$T_DIR/dest/opt/x/lib/systemd/system/svcbpf.service")" \
	'/opt/x/sbin/svcbpf run --config /etc/svcbpf/config.yaml'
t_is "... and nothing in it is left to fill in" \
	"$(grep '@[A-Z]*@' "$T_DIR/dest/opt/x/lib/systemd/system/svcbpf.service")" ''
echo '# mine' >>"$T_DIR/dest/etc/svcbpf/config.yaml"
make_in install >"$T_DIR/install.log"
t_is "a configuration that was changed stays when it is installed again" \
	"$(tail -n 1 "$T_DIR/dest/etc/svcbpf/config.yaml")" '# mine'
make_in uninstall >"$T_DIR/install.log"
t_is "... and when it is uninstalled" "$(installed "$T_DIR/dest")" '644 ./etc/svcbpf/config.yaml'
rm "$T_DIR/dest/etc/svcbpf/config.yaml"
make_in install >"$T_DIR/install.log"
make_in uninstall >"$T_DIR/install.log"
t_is "else nothing is left" "$(installed "$T_DIR/dest")" ''

# ------------------------------------------------------------------ the package

status=0
package=$(make_in deb) || status=$?
[ $status = 0 ] || t_bail "make deb" "$package"
t_ok "make deb" [ -f "$package" ]
t_like "its version is one of Debian's" "$(dpkg-deb -f "$package" Version)" '^[0-9][0-9a-z.~+]*-1$'
t_is "its configuration is a conffile" "$(dpkg-deb -I "$package" conffiles)" /etc/svcbpf/config.yaml
t_is "files and modes" "$(dpkg-deb -c "$package" | awk '!/\/$/ { print $1, $2, $6 }' | sort -k 3)" \
	"$(printf '%s\n' \
	'-rw-r--r-- root/root ./etc/svcbpf/config.yaml' \
	'-rw-r--r-- root/root ./lib/systemd/system/svcbpf.service' \
	'-rwxr-xr-x root/root ./usr/sbin/svcbpf' \
	'-rw-r--r-- root/root ./usr/share/bash-completion/completions/svcbpf' \
	'-rw-r--r-- root/root ./usr/share/doc/svcbpf/changelog.Debian.gz' \
	'-rw-r--r-- root/root ./usr/share/doc/svcbpf/copyright' \
	'-rw-r--r-- root/root ./usr/share/lintian/overrides/svcbpf' \
	'-rw-r--r-- root/root ./usr/share/man/man8/svcbpf.8.gz')"
t_is "lintian has nothing to say that is not explained" "$(lintian --allow-root "$package" 2>&1)" ''

# ------------------------------------------------------------------ installed, not configured

# owned - what of ours is in the places that packages and services write to; man(1) keeps what it has shown.
owned() { s_in find /etc /lib/ /usr /var /run -xdev -name '*svcbpf*' ! -path '/var/cache/man/*' | sort; }

# missing - of `svcbpf status -o json`: what the agent has not found.
missing() { t_json 'sorted(f["name"] for f in d["features"] if not f["present"])'; }

# with_netns_enter LIST - of missing, with that one.
with_netns_enter() {
	python3 -IS -c 'import ast, sys; print(sorted([*ast.literal_eval(sys.argv[1]), "netnsEnter"]))' "$1"
}

# What an agent without any limits finds on this kernel, and a device for packet programs.
t_pod client 10.244.9.9 fd00:9::9
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
t_start_agent
unlimited=$("$SVCBPF" status --pin-dir "$T_PINS" -o json | missing)
t_stop_agent
"$SVCBPF" cleanup --pin-dir "$T_PINS" >"$T_DIR/cleanup"

s_make_root
rm -rf "$S_ROOT"/etc/svcbpf "$S_ROOT"/var/lib/svcbpf # of this machine
cp "$package" "$S_ROOT/svcbpf.deb"
s_boot || t_bail "systemd runs as process 1" "$(tail -n 20 "$T_DIR/systemd.log")"
before=$(owned)
output=$(s_in dpkg -i /svcbpf.deb 2>&1) || t_bail "dpkg -i" "$output"
t_like "dpkg -i says what is missing" "$output" \
	'^svcbpf: not configured yet: put a kubeconfig into /etc/svcbpf/kubeconfig'
t_is "all files are as packaged" "$(s_in dpkg --verify svcbpf)" ''
t_like "svcbpf version" "$(s_in svcbpf version)" '^svcbpf .*, ABI [0-9]+, libbpf'
t_is "it will start at boot" "$(s_in systemctl is-enabled svcbpf)" enabled
t_is "unconfigured it is not started, and has not failed" \
	"$(s_show ActiveState) $(s_show ConditionResult) $(s_show Result)" 'inactive no success'
t_is "systemd-analyze verify finds nothing in the unit" \
	"$(s_in systemd-analyze verify /lib/systemd/system/svcbpf.service 2>&1)" ''
t_ok "systemd-analyze security finds an exposure of 2.5 at most" \
	s_in systemd-analyze security --no-pager --offline=true --threshold=25 /lib/systemd/system/svcbpf.service

# ------------------------------------------------------------------ started

# configure LINE... - the configuration.
configure() { printf '%s\n' "$@" >"$S_ROOT/etc/svcbpf/config.yaml"; }

# put_service NAME SETTING... - as t_service, for the agent under systemd.
put_service() {
	t_service "$@"
	cp "$T_MANIFESTS/$1.yaml" "$S_ROOT/etc/svcbpf/manifests/.new"
	mv "$S_ROOT/etc/svcbpf/manifests/.new" "$S_ROOT/etc/svcbpf/manifests/$1.yaml"
}

name_is() { [ "$(t_name "$1")" = "$2" ]; }

# of_agent FIELD - of its /proc/PID/status.
of_agent() { s_in sed -n "s/^$1:[[:space:]]*//p" "/proc/$(s_show MainPID)/status"; }

t_addresses 10.244.0.1 10.244.0.2
t_answer 10.244.0.1:8080 10.244.0.2:8080

# write_kubeconfig - of an API server that does not answer: nothing listens there.
write_kubeconfig() {
	cat >"$S_ROOT/etc/svcbpf/kubeconfig" <<-END
		current-context: main
		contexts: [{name: main, context: {cluster: main, user: svcbpf}}]
		clusters: [{name: main, cluster: {server: "https://127.0.0.1:1"}}]
		users: [{name: svcbpf, user: {token: t}}]
	END
}

write_kubeconfig
s_in systemctl start --no-block svcbpf
is_waiting() { [[ $(s_show StatusText) = 'waiting for https://127.0.0.1:1; '* ]]; }
t_ok "while no API server has ever answered, the status line says that it waits, and why" t_wait 30 is_waiting
t_is "... and the service is being started" "$(s_show ActiveState)" activating
s_in systemctl stop svcbpf
rm "$S_ROOT/etc/svcbpf/kubeconfig"
mkdir "$S_ROOT/etc/svcbpf/manifests"
put_service web ip=10.96.0.10 backends=10.244.0.1
configure 'manifests: /etc/svcbpf/manifests' 'node-name: node'
t_ok "systemctl start returns" s_in systemctl start svcbpf
t_is "... with the service active" "$(s_show ActiveState)/$(s_show SubState)" active/running
t_is "... and Services translated" "$(t_name $vip)" 10.244.0.1:8080
t_is "its status line says how it is" "$(s_show StatusText)" 'in step with /etc/svcbpf/manifests'
t_like "systemctl status shows it" "$(s_in systemctl status --no-pager svcbpf)" 'Status: "in step with'
t_ok "svcbpf status finds all well" s_in svcbpf status
t_is "it keeps CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and can get no others" \
	"$(of_agent CapEff) $(of_agent CapBnd)" '000000c000001000 000000c000001000'
t_is "it is confined by seccomp, without new privileges" "$(of_agent Seccomp) $(of_agent NoNewPrivs)" '2 1'
# confined COMMAND... - in the file systems that the agent sees.
confined() { s_in nsenter --target "$(s_show MainPID)" --mount -- "$@"; }
t_is "it can write nowhere but to pins and state" \
	"$(for dir in /etc /usr /var /root /sys /sys/fs/cgroup /proc/sys /sys/fs/bpf /var/lib/svcbpf; do
		! confined test -w $dir || echo $dir
	done | xargs)" '/sys/fs/bpf /var/lib/svcbpf'
t_is "devices have the packet programs" \
	"$(s_in svcbpf status -o json |
		t_json '[d["name"] for d in d["devices"] if d["ingress"] and d["egress"]]')" "['n-client']"
t_is "its state is for root only" "$(s_in stat -c '%a %U' /var/lib/svcbpf)" '700 root'
put_service web ip=10.96.0.10 backends=10.244.0.2
t_ok "a change is followed" t_wait 30 name_is $vip 10.244.0.2:8080
t_ok "systemctl reload returns" s_in systemctl reload svcbpf
t_is "... with the service active" "$(s_show ActiveState)/$(s_show SubState)" active/running
t_like "... and everything read again" "$(s_in journalctl -q --no-pager -u svcbpf)" \
	'reading /etc/svcbpf/manifests again on SIGHUP'

# drop_in NAME LINE... - a part of the unit as an operator would write it.
drop_in() {
	mkdir -p "$S_ROOT/etc/systemd/system/svcbpf.service.d"
	printf '%s\n' "${@:2}" >"$S_ROOT/etc/systemd/system/svcbpf.service.d/$1.conf"
	s_in systemctl daemon-reload
}

drop_in pods '[Service]' 'CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_PTRACE' 'RestrictNamespaces=net'
t_is "without CAP_SYS_ADMIN it cannot enter the network namespaces of pods, but all else" \
	"$(s_in svcbpf status -o json | missing)" "$(with_netns_enter "$unlimited")"
s_in systemctl restart svcbpf
t_is "with the drop-in that the unit names it lacks nothing that it has without any limits" \
	"$(s_in svcbpf status -o json | missing)" "$unlimited"
rm -r "$S_ROOT/etc/systemd/system/svcbpf.service.d"

# ------------------------------------------------------------------ an agent that hangs, or dies

drop_in watchdog '[Service]' 'WatchdogSec=4s' 'TimeoutStopSec=2s'
s_in systemctl restart svcbpf
pid=$(s_show MainPID)
t_pause 6
t_is "an agent that is well is left alone by the watchdog" "$(s_show MainPID) $(s_show NRestarts)" "$pid 0"
s_in kill -STOP "$pid"
is_anew() { [ "$(s_show NRestarts)" = "$1" ] && s_is SubState running && [ "$(s_show MainPID)" != "$pid" ]; }
t_is "while it hangs Services work" "$(t_name $vip)" 10.244.0.2:8080
t_ok "one that hangs is started again" t_wait 60 is_anew 1
t_like "... by the watchdog" "$(s_in journalctl -q --no-pager -u svcbpf)" 'Watchdog timeout'
put_service web ip=10.96.0.10 backends=10.244.0.1
t_ok "... and follows changes" t_wait 30 name_is $vip 10.244.0.1:8080
pid=$(s_show MainPID)
s_in kill -KILL "$pid"
t_ok "one that was killed is started again" t_wait 60 is_anew 2
rm -r "$S_ROOT/etc/systemd/system/svcbpf.service.d"
s_in systemctl daemon-reload

# ------------------------------------------------------------------ stopped, misconfigured

s_in systemctl stop svcbpf
t_is "systemctl stop is no failure" "$(s_show ActiveState) $(s_show Result)" 'inactive success'
t_is "... and Services go on working" "$(t_name $vip)" 10.244.0.1:8080
configure 'manifests: /etc/svcbpf/manifests' 'max-servces: 10'
t_ok "a start with a mistake in the configuration fails" eval '! s_in systemctl start svcbpf'
t_pause 3
t_is "... once" "$(s_show ActiveState) $(s_show ExecMainStatus) $(s_show NRestarts)" 'failed 2 0'
t_like "... and the log says where the mistake is" "$(s_in journalctl -q --no-pager -u svcbpf | tail -n 20)" \
	'config.yaml:2: unknown field "max-servces"; did you mean "max-services"\?'
mv "$S_ROOT/etc/svcbpf/manifests" "$S_ROOT/etc/svcbpf/away"
s_in systemctl reset-failed svcbpf
t_ok "without manifests and kubeconfig there is nothing to start" s_in systemctl start svcbpf
t_is "... which is no failure" "$(s_show ActiveState) $(s_show ConditionResult)" 'inactive no'

configure 'kubeconfig: /etc/svcbpf/kubeconfig' 'node-name: node'
write_kubeconfig
t_ok "an API server that does not answer does not keep it from starting" s_in systemctl start svcbpf
t_is "... with what is pinned" "$(t_name $vip)" 10.244.0.1:8080
t_like "... which its status line says, with the reason" "$(s_show StatusText)" \
	'^Services are served as they were [0-9]+ .* ago; .*127.0.0.1'
mv "$S_ROOT/etc/svcbpf/away" "$S_ROOT/etc/svcbpf/manifests"
configure 'manifests: /etc/svcbpf/manifests' 'node-name: node' '# mine'
is_reconfigured() { s_is StatusText 'in step with /etc/svcbpf/manifests'; }
t_ok "it starts again by itself when its configuration has changed" t_wait 60 is_reconfigured

# ------------------------------------------------------------------ upgraded

pid=$(s_show MainPID)
t_exec "$T_TOOLS/connloop" -n 100000 -d 60 -r 200 $vip >"$T_DIR/loop" 2>&1 &
loop=$!
t_ok "an upgrade" s_in dpkg -i /svcbpf.deb
t_is "... starts the new agent" \
	"$(s_show SubState) $([ "$(s_show MainPID)" != "$pid" ] && echo new)" 'running new'
kill $loop
status=0
wait $loop || status=$?
t_is "... and no connection fails meanwhile: $(t_json 'd["connects"]' <"$T_DIR/loop")" $status 0
t_is "... and the configuration is kept" "$(tail -n 1 "$S_ROOT/etc/svcbpf/config.yaml")" '# mine'

# ------------------------------------------------------------------ removed

t_like "removal takes the programs off the host" \
	"$(s_in dpkg -r svcbpf 2>&1)" "^removed everything under $pins"
t_is "... no agent runs" "$(s_in ps -C svcbpf -o pid=)" ''
t_is "... nothing is pinned" "$(s_in ls /sys/fs/bpf | grep -v '\.debug$')" ''
t_is "... a VIP is an address like any other" "$(t_name $vip)" ENETUNREACH
t_is "... configuration and state stay" \
	"$(s_in ls -d /etc/svcbpf/config.yaml /etc/svcbpf/kubeconfig /var/lib/svcbpf)" \
	"$(printf '%s\n' /etc/svcbpf/config.yaml /etc/svcbpf/kubeconfig /var/lib/svcbpf)"
t_ok "purge" s_in dpkg -P svcbpf
t_is "... leaves nothing" "$(owned)" "$before"
t_is "... and systemd knows no such service" "$(s_show LoadState)" not-found
t_done
