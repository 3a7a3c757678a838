#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A backend that tells who asks: HTTP and UDP.

    serve.py NAME ADDRESS:PORT...

GET /          NAME and the client's address        PUT /     the SHA-256 of what was sent
GET /bytes/N   N bytes, always the same ones
UDP: "R ...":  "NAME CLIENT LENGTH ADLER32 of what came\\n", filled up to R bytes (udpask.c checks it)
"""
import hashlib
import http.server
import ipaddress
import socket
import sys
import threading
import zlib

FILL = bytes(range(32, 127))
CHUNK = 1 << 16


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection; the class attribute name is set by main()."""

    protocol_version = "HTTP/1.1"
    name = ""

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        if self.path.startswith("/bytes/"):
            self.answer(hashlib.shake_128(b"svcbpf").digest(int(self.path[7:])))
        else:
            self.answer(f"{self.name} {self.client_address[0]}\n".encode())

    def do_PUT(self):  # pylint: disable=invalid-name
        left, found = int(self.headers["Content-Length"]), hashlib.sha256()
        while left:
            data = self.rfile.read(min(left, CHUNK))
            if not data:
                return
            left -= len(data)
            found.update(data)
        self.answer(f"{found.hexdigest()}\n".encode())

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


class Server(http.server.ThreadingHTTPServer):
    """For either family."""

    request_queue_size = 1024
    daemon_threads = True

    def __init__(self, family, address):
        self.address_family = family
        super().__init__(address, Handler)

    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        pass  # a client that is gone is not our concern


def serve_udp(family, address, name):
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.bind(address)
        if family == socket.AF_INET:  # routers may cut what is too big, as most resolvers have it
            udp.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: DONT
        while True:
            try:
                data, client = udp.recvfrom(1 << 16)
                head = f"{name} {client[0]} {len(data)} {zlib.adler32(data)}\n".encode()
                size = int(data.split(b" ")[0] or 0)
                udp.sendto((head + FILL * (size // len(FILL) + 1))[: max(size, len(head))], client)
            except (OSError, ValueError):
                pass  # an error of an earlier answer, or no question


def main():
    name, texts = sys.argv[1], sys.argv[2:]
    Handler.name = name
    for text in texts:
        host, port = text.rsplit(":", 1)
        family = socket.AF_INET6 if ipaddress.ip_address(host.strip("[]")).version == 6 else socket.AF_INET
        address = (host.strip("[]"), int(port))
        threading.Thread(target=Server(family, address).serve_forever).start()
        threading.Thread(target=serve_udp, args=(family, address, name)).start()
    print("ready", flush=True)


if __name__ == "__main__":
    main()
