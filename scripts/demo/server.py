#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A backend for the demo: an HTTP server that answers who it is.

usage: server.py NAME PORT[,PORT...] ADDRESS...

Listens on each port of each address (IPv4 and IPv6), then prints "ready".
"""
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer


def handler(text):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = f"{text}\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler


def listen(name, address, port):
    # http.server's own server class asks the DNS for its name; this one does not
    class Server(ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 64
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

    return Server((address, port), handler(f"{name}, port {port}"))


def main():
    name, ports, addresses = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
    threads = [
        threading.Thread(target=listen(name, address, int(port)).serve_forever)
        for address in addresses
        for port in ports
    ]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
