#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The container image as a pod: ServiceAccount, API server by a name that DNS knows, TLS with the
# account's CA; replaced by another container, as an update of the DaemonSet does, without a connect lost.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/image.sh
. "$(dirname "$0")/../net/image.sh"

account=$T_DIR/account
# shellcheck disable=SC2034 # read by lib.sh
e_server_names=DNS:localhost,IP:127.0.0.1,DNS:api.test

# A DNS server on 127.0.0.1 that knows A api.test, and nothing else.
start_dns() {
	python3 -IS -c '
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(512)
    end = query.index(b"\0", 12) + 5 # of the question: name, type, class
    found = query[12:end].lower() == b"\3api\4test\0\0\1\0\1"
    head = query[:2] + (b"\x81\x80" if b"\3api\4test\0" in query.lower() else b"\x81\x83")
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x7f\0\0\1" if found else b""
    server.sendto(head + b"\0\1" + (b"\0\1" if found else b"\0\0") + b"\0\0\0\0" + query[12:end] + answer, client)
' >"$T_DIR/dns.log" 2>&1 &
	t_wait_line 10 "$T_DIR/dns.log" ^ready $! || t_bail "a DNS server starts" "$(<"$T_DIR/dns.log")"
}

# What a kubelet brings into the pod.
make_pod() {
	local resolv_conf
	mkdir "$account"
	cp "$E_DIR/pki/ca.crt" "$account/"
	k_curl --fail-with-body -X POST -H 'Content-Type: application/json' \
		--data '{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}' \
		"$(k_url serviceaccounts/svcbpf/token kube-system)" | t_json 'd["status"]["token"]' >"$account/token"
	chmod 0600 "$account/token"
	# ctr mounts the node's, as kubelets do for pods on the host's network.
	echo 'nameserver 127.0.0.1' >"$T_DIR/resolv.conf"
	resolv_conf=$(realpath -m /etc/resolv.conf)
	[[ $resolv_conf != /run/* ]] || install -D -m 0644 /dev/null "$resolv_conf" # a link into what is hidden here
	mount --bind "$T_DIR/resolv.conf" "$resolv_conf"
}

run() {
	i_run --env NODE_NAME="$NODE_NAME" --env KUBERNETES_SERVICE_HOST=api.test \
		--env KUBERNETES_SERVICE_PORT=6443 \
		--mount "type=bind,src=$account,dst=/var/run/secrets/kubernetes.io/serviceaccount,options=rbind:ro" \
		-- run --cgroup /host/cgroup || t_bail "ctr runs it"
	t_wait 30 is_healthy || t_bail "/healthz answers" "$(tail -n 20 "$T_DIR/container.log")"
}
is_healthy() { curl -sf -o /dev/null http://127.0.0.1:10256/healthz; }

e_up
start_dns
make_pod
i_assemble
i_start_containerd
e_stable
run
t_sync
t_is "a connect reaches a backend" "$(t_name '[fd00:96::10]:80')" '[fd00:244::1]:8080'
e_start_stable_loops
e_in_step "in a pod" "$(t_now_ms)"
t_ok "exec: verify asks the API too" i_exec svcbpf verify
t_ok "exec: status: all is well" i_exec svcbpf status
t_like "exec: what API server it is" "$(i_exec svcbpf status || :)" '^source +https://api\.test:6443'
t_like "metrics are served" "$(curl -s http://127.0.0.1:10249/metrics)" '^svcbpf_'

i_stop
t_is "it ends well" "$i_status" 0
run
e_in_step "replaced by another container" "$(t_now_ms)"
t_ok "exec: status: all is well" i_exec svcbpf status
t_ok "its state is kept for a start without the API" t_wait 40 test -s "$I_STATE/snapshot"
i_stop
e_end_stable_loops
t_done
