#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Steady traffic over HTTP and UDP, and what became of it.

    steady.py [-o N] [-r N] [udp:]ADDRESS:PORT/PATH...

-o N   keeps N connections open (default 0), as many to each target, asks on each of them once a
       second, and expects the same answer from it each time
-r N   makes N new connections a second (default 0), to the targets in turn: connect, ask, close

With "udp:" the connection is a connected socket and PATH is the question. Any answer will do; a
question that is not answered within 2 s is asked once more ("repeated").

Prints "ready" when all connections are open and the first new one was answered. Ends with SIGTERM:
prints one JSON object, exit status 0 when nothing was lost. "broken": open connections that ended
or answered otherwise; "failed": new connections that were not answered within 5 s.
"""
import argparse
import json
import signal
import socket
import sys
import threading
import time

TIMEOUT_S = 5


class Failure(Exception):
    """What went wrong with a connection, in a few words."""


class Connection:
    """A connection to "ADDRESS:PORT/PATH", and questions on it."""

    def __init__(self, target):
        where, self.path = target.split("/", 1)
        host, port = where.rsplit(":", 1)
        self.target = target
        self.rest = b""
        self.socket = socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S)

    def line(self):
        while b"\r\n" not in self.rest:
            self.more()
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Failure("closed by the other side")
        self.rest += data

    def ask(self):
        request = f"GET /{self.path} HTTP/1.1\r\nHost: steady\r\n\r\n"
        self.socket.sendall(request.encode())
        if b" 200 " not in self.line():
            raise Failure("status is not 200")
        length = 0
        while line := self.line().lower():
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(self.rest) < length:
            self.more()
        answer, self.rest = self.rest[:length], self.rest[length:]
        return answer

    def close(self):
        self.socket.close()


class Datagrams:
    """The same over UDP, for "udp:ADDRESS:PORT/QUESTION"."""

    REPEAT_S = 2

    def __init__(self, target, tally):
        where, self.question = target.removeprefix("udp:").split("/", 1)
        host, port = where.rsplit(":", 1)
        self.target, self.tally = target, tally
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect((host.strip("[]"), int(port)))
        self.socket.settimeout(self.REPEAT_S)

    def ask(self):
        self.socket.send(self.question.encode())
        try:
            self.socket.recv(1 << 16)
        except TimeoutError:
            self.tally.add("repeated")
            self.socket.send(self.question.encode())
            self.socket.recv(1 << 16)

    def close(self):
        self.socket.close()


def connect(target, tally):
    return Datagrams(target, tally) if target.startswith("udp:") else Connection(target)


class Tally:
    """What has happened so far; shared by the threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {"open": 0, "broken": 0, "asked": 0, "connects": 0, "failed": 0, "repeated": 0}
        self.errors = {}
        self.slowest_s = 0.0

    def add(self, what, n=1):
        with self.lock:
            self.counts[what] += n

    def fail(self, what, target, error):
        with self.lock:
            self.counts[what] += 1
            text = f"{time.strftime('%H:%M:%S')} {target}: {error or type(error).__name__}"
            self.errors[text] = self.errors.get(text, 0) + 1

    def took(self, seconds):
        with self.lock:
            self.slowest_s = max(self.slowest_s, seconds)

    def print(self):
        with self.lock:
            lost = self.counts["broken"] + self.counts["failed"]
            print(json.dumps({**self.counts, "slowest_ms": round(self.slowest_s * 1000), "errors": self.errors}))
        return lost


def keep_open(tally, connections, stop):
    """Ask on each connection once a second; one that fails is not asked again."""
    answers = {}
    for connection in connections:
        answers[connection] = connection.ask()
    while not stop.wait(1):
        for connection in list(answers):
            try:
                answer = connection.ask()
                if answer != answers[connection]:
                    raise Failure(f"{answer!r} instead of {answers[connection]!r}")
                tally.add("asked")
            except (OSError, Failure) as error:
                tally.fail("broken", connection.target, error)
                del answers[connection]


def connect_anew(tally, targets, rate, stop, first):
    """A new connection, again and again; one that is late is not made up for."""
    turn = 0
    while not stop.wait(1 / rate):
        target = targets[turn % len(targets)]
        turn += 1
        begin = time.monotonic()
        try:
            connection = connect(target, tally)
            connection.ask()
            connection.close()
            tally.took(time.monotonic() - begin)
            tally.add("connects")
        except (OSError, Failure) as error:
            tally.fail("failed", target, error)
        first.set()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", type=int, default=0)
    parser.add_argument("-r", type=float, default=0)
    parser.add_argument("targets", nargs="+")
    args = parser.parse_args()
    tally, stop, first = Tally(), threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    connections = [connect(args.targets[i % len(args.targets)], tally) for i in range(args.o)]
    tally.add("open", len(connections))
    threads = []
    if args.o:
        # several, so that one that hangs does not keep the others waiting
        for part in range(10):
            threads.append(threading.Thread(target=keep_open, args=(tally, connections[part::10], stop)))
    if args.r:
        threads.append(threading.Thread(target=connect_anew, args=(tally, args.targets, args.r, stop, first)))
    for thread in threads:
        thread.start()
    if args.r:
        first.wait()
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    sys.exit(1 if tally.print() else 0)


if __name__ == "__main__":
    main()
