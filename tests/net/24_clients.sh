#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Clients that nobody here wrote: curl, Python, Go, Node.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 fd00:244::1
t_answer -H 10.244.0.1:8080 "[fd00:244::1]:8080"
t_service web ip=10.96.0.10,fd00:96::10 backends=10.244.0.1,fd00:244::1 nodeport=30080 proto=TCP,UDP
t_start_agent
t_sync
b4=10.244.0.1:8080 b6="[fd00:244::1]:8080"

if command -v curl >/dev/null; then
	fetch() { t_in curl -sS --noproxy '*' --max-time 10 "$1" || :; }
	t_is "curl, ClusterIP" "$(fetch http://10.96.0.10/)" $b4
	t_is "curl, ClusterIP, IPv6" "$(fetch 'http://[fd00:96::10]/')" "$b6"
	if t_has_loopback_nodeports; then
		t_is "curl, NodePort on loopback" "$(fetch http://127.0.0.1:30080/)" $b4
	else
		t_skip "curl, NodePort on loopback" "needs SO_NETNS_COOKIE (Linux 5.14)"
	fi
	t_is "curl says whom it talks to: the VIP" \
		"$(t_in curl -sS --noproxy '*' -o /dev/null -w '%{remote_ip}:%{remote_port}' http://10.96.0.10/)" 10.96.0.10:80
else
	t_skip "curl" "curl is not installed"
fi

t_is "Python, urllib" "$(t_in python3 -c '
import urllib.request as u
print(u.build_opener(u.ProxyHandler({})).open("http://10.96.0.10/", timeout=10).read().decode().strip())')" $b4
t_is "Python, asyncio, many at once, peer names" "$(t_in python3 -c '
import asyncio
async def one(i):
    r, w = await asyncio.open_connection("10.96.0.10", 80)
    w.write(b"GET / HTTP/1.0\r\n\r\n")
    body = (await r.read()).decode().split()[-1]
    peer = w.get_extra_info("peername")
    w.close()
    return body, peer
async def main():
    print(set(await asyncio.gather(*(one(i) for i in range(100)))))
asyncio.run(main())')" "{('$b4', ('10.96.0.10', 80))}"
t_is "Python, UDP" "$(t_in python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(b"hello", ("10.96.0.10", 80))
print(s.recvfrom(100))')" "(b'$b4 hello', ('10.96.0.10', 80))"

if command -v go >/dev/null; then
	export GOCACHE=$T_DIR/go-cache GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0 GOTOOLCHAIN=local HOME=$T_DIR
	if go build -o "$T_DIR/client" "$T_ROOT/tests/net/client.go" >"$T_DIR/go.log" 2>&1; then
		t_tap t_in "$T_DIR/client" 10.96.0.10:80 '[fd00:96::10]:80' "$b4" "$b6"
	else
		t_is "the Go client is built" "$(tail -n 5 "$T_DIR/go.log")" ""
	fi
else
	t_skip "Go" "go is not installed"
fi

if command -v node >/dev/null; then
	t_is "Node, http" "$(t_in node -e '
require("http").get("http://10.96.0.10/", r => {
  let text = ""; const peer = r.socket.remoteAddress + ":" + r.socket.remotePort;
  r.on("data", d => text += d); r.on("end", () => console.log(text.trim(), peer)) })')" "$b4 10.96.0.10:80"
	t_is "Node, dgram" "$(t_in node -e '
const s = require("dgram").createSocket("udp4");
s.on("message", (m, r) => { console.log(m.toString(), r.address + ":" + r.port); s.close() });
s.send("hi", 80, "10.96.0.10")')" "$b4 hi 10.96.0.10:80"
else
	t_skip "Node" "node is not installed"
fi
t_done
