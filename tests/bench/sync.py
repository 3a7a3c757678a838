#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tests/bench/sync.sh measures at one size of the cluster, and its table.

    sync.py measure RESULT LIST-SECONDS ENDPOINTS CHANGES SWITCHLOOP CGROUP AGENT-COMMAND...
    sync.py table ENDPOINTS RESULT...
"""
import ctypes
import json
import os
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

READY_S = 120
CHANGE_S = 20
SETTLE_S = 5
PAUSE_S = 0.3  # between changes: nothing else is pending
NAMESPACE = "default"
SLICE = "flip-x7k2p"
VIP = "10.96.0.77"


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"^VmHWM:\s+(\d+)", status.read(), re.M).group(1)) / 1024


def resident_mib(pid):
    """What is resident: heap and stacks, binary and libraries, mapped BPF maps."""
    found = {"anon_mib": 0, "file_mib": 0, "maps_mib": 0}
    kind = None
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            words = line.split()
            if re.match(r"[0-9a-f]+-", words[0]):
                name = " ".join(words[5:])
                is_file = name.startswith("/") and not name.startswith("/dev/zero")
                kind = "maps_mib" if "bpf-map" in name else "file_mib" if is_file else "anon_mib"
            elif words[0] == "Rss:":
                found[kind] += int(words[1]) / 1024
    return found


def cpu_s(pid):
    """Of all threads, and of children that have ended."""
    total_ns = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as schedstat:
            total_ns += int(schedstat.read().split()[0])
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return total_ns / 1e9 + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


class FirstBytes(threading.Thread):
    """When a process has got the first bytes of a list: more than a TLS handshake brings."""

    HANDSHAKE_BYTES = 8192
    PIDFD_GETFD = 438  # not in Python's os
    RECEIVED_AT = 128  # tcpi_bytes_received in struct tcp_info

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.pidfd = pid, os.pidfd_open(pid)
        self.came = None
        self.start()

    def _received(self, number):
        fd = ctypes.CDLL(None, use_errno=True).syscall(self.PIDFD_GETFD, self.pidfd, number, 0)
        if fd < 0:
            return 0
        try:
            with socket.socket(fileno=fd) as theirs:
                info = theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            return struct.unpack_from("Q", info, self.RECEIVED_AT)[0]
        except (OSError, struct.error):
            return 0  # no TCP

    def _is_here(self):
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                if not os.readlink(f"/proc/{self.pid}/fd/{number}").startswith("socket:"):
                    continue
            except FileNotFoundError:
                continue
            if self._received(int(number)) > self.HANDSHAKE_BYTES:
                return True
        return False

    def run(self):
        end = time.monotonic() + READY_S
        while time.monotonic() < end and not self.came:
            if self._is_here():
                self.came = time.monotonic()
            time.sleep(0.005)
        os.close(self.pidfd)


class Agent:
    """`svcbpf run`; start() returns when it is ready."""

    def __init__(self, command):
        self.command = command
        self.process = None

    def start(self):
        """Seconds until the first bytes of a list, until ready, and CPU seconds until then."""
        read_fd, write_fd = os.pipe()
        log = os.path.join(os.environ["E_DIR"], "agent.log")
        begin = time.monotonic()
        with open(log, "ab") as err:
            self.process = subprocess.Popen(
                [*self.command, "--ready-fd", str(write_fd)], pass_fds=[write_fd], stderr=err
            )
        os.close(write_fd)
        first = FirstBytes(self.process.pid)
        late = threading.Timer(READY_S, self.process.kill)
        late.start()
        said = os.read(read_fd, 100)
        late.cancel()
        os.close(read_fd)
        if not said:
            with open(log, encoding="utf-8") as text:
                sys.exit(f"sync.py: the agent is not ready within {READY_S} s:\n{text.read()[-2000:]}")
        ready = time.monotonic()
        first.join(1)
        return (first.came or ready) - begin, ready - begin, cpu_s(self.process.pid)

    def stop(self, number):
        self.process.send_signal(number)
        self.process.wait()


def measure_start(agent):
    """First without anything of an agent before it, then as its successor."""
    first, seconds, cpu = agent.start()
    time.sleep(SETTLE_S)
    pid = agent.process.pid
    found = {"first_s": first, "read_s": seconds - first, "ready_s": seconds, "cpu_s": cpu, "peak_mib": peak_mib(pid), **resident_mib(pid)}
    agent.stop(signal.SIGKILL)
    _, again_seconds, again_cpu = agent.start()
    time.sleep(SETTLE_S)
    pid = agent.process.pid
    return {**found, "again_s": again_seconds, "again_cpu_s": again_cpu, "again_peak_mib": peak_mib(pid)}


class Flip:
    """A Service whose endpoints are all replaced by those of the other of two networks, and back."""

    def __init__(self, kapi, n_endpoints):
        self.kapi, self.n_endpoints = kapi, n_endpoints
        self.client = kapi.Client()
        self.events = []  # (network, CLOCK_MONOTONIC in ns) as another client of the API is told
        self.client.create(kapi.SERVICES.format(NAMESPACE), self._service())
        self.client.create(kapi.SLICES.format(NAMESPACE), self._slice())
        threading.Thread(target=self._watch, daemon=True).start()

    def _service(self):
        body = self.kapi.service(0, NAMESPACE)
        body["metadata"]["name"] = "flip"
        body["spec"]["clusterIP"] = VIP
        return body

    def _slice(self):
        body = self.kapi.endpoint_slice(0, NAMESPACE, self.endpoints("10.244.1"))
        body["metadata"]["name"] = SLICE
        body["metadata"]["labels"]["kubernetes.io/service-name"] = "flip"
        return body

    def endpoints(self, network):
        return [self.kapi.endpoint(i, f"{network}.{i + 1}") for i in range(self.n_endpoints)]

    def _watch(self):
        path = self.kapi.SLICES.format(NAMESPACE) + f"?watch=1&fieldSelector=metadata.name={SLICE}"
        for event, arrived_ns in self.kapi.Client().watch(path):
            address = event["object"]["endpoints"][0]["addresses"][0]
            self.events.append((address.rsplit(".", 1)[0], arrived_ns))

    def change(self, network):
        """CLOCK_MONOTONIC in ns before the request."""
        body = {"endpoints": self.endpoints(network)}
        begin = time.monotonic_ns()
        self.client.merge(f"{self.kapi.SLICES.format(NAMESPACE)}/{SLICE}", body)
        return begin

    def event_ns(self, network, since_ns):
        """When the change came; waits for it."""
        end = time.monotonic() + CHANGE_S
        while time.monotonic() < end:
            for its_network, arrived_ns in reversed(self.events):
                if its_network == network and arrived_ns > since_ns:
                    return arrived_ns
            time.sleep(0.001)
        sys.exit("sync.py: the API tells no event of the change")


class Connects:
    """switchloop: when connects go to another network than before."""

    def __init__(self, command, cgroup):
        def join():
            with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as procs:
                procs.write("0")

        self.process = subprocess.Popen(
            [command, f"{VIP}:80"], stdout=subprocess.PIPE, text=True, preexec_fn=join
        )

    def next(self):
        """[CLOCK_MONOTONIC in ns of a connect, the network it was the first to go to]; else []."""
        late = threading.Timer(CHANGE_S, self.process.kill)
        late.start()
        line = self.process.stdout.readline().split()
        late.cancel()
        return line

    def wait(self, network):
        line = self.next()
        if not line or line[1] != network:
            sys.exit(f"sync.py: connects go to {line[1:]}, not to {network}")
        return int(line[0])


def connects_to(network, command, cgroup):
    """As soon as the Service is there."""
    end = time.monotonic() + CHANGE_S
    while time.monotonic() < end:
        connects = Connects(command, cgroup)
        line = connects.next()
        if line and line[1] == network:
            return connects
        connects.process.wait()
        time.sleep(0.05)
    sys.exit(f"sync.py: no connect goes to {network}")


def idle_cpu_rate(pid):
    before, begin = cpu_s(pid), time.monotonic()
    time.sleep(3)
    return (cpu_s(pid) - before) / (time.monotonic() - begin)


def measure_changes(agent, flip, connects, n_changes):
    pid = agent.process.pid
    idle = idle_cpu_rate(pid)
    asked_ms, told_ms = [], []
    before, begin = cpu_s(pid), time.monotonic()
    for i in range(n_changes):
        network = f"10.244.{2 - i % 2}"
        asked_ns = flip.change(network)
        applied_ns = connects.wait(network)
        told_ns = flip.event_ns(network, asked_ns)
        asked_ms.append((applied_ns - asked_ns) / 1e6)
        told_ms.append((applied_ns - told_ns) / 1e6)
        time.sleep(PAUSE_S)
    used = cpu_s(pid) - before - idle * (time.monotonic() - begin)
    return {
        "n_changes": n_changes,
        "asked_ms": statistics.median(asked_ms),
        "asked_p90_ms": statistics.quantiles(asked_ms, n=10)[-1],
        "told_ms": statistics.median(told_ms),
        "told_p90_ms": statistics.quantiles(told_ms, n=10)[-1],
        "change_cpu_ms": used / n_changes * 1000,
        "idle_cpu_percent": idle * 100,
    }


def measure(result, list_s, n_endpoints, n_changes, switchloop, cgroup, *command):
    import kapi  # only here: the table needs none  # pylint: disable=import-outside-toplevel

    agent = Agent(command)
    found = {"n_services": len(kapi.Client().get(kapi.SERVICES.format("load"))["items"])}
    found["list_s"] = float(list_s)
    found |= measure_start(agent)
    flip = Flip(kapi, int(n_endpoints))
    connects = connects_to("10.244.1", switchloop, cgroup)
    found |= measure_changes(agent, flip, connects, int(n_changes))
    connects.process.kill()
    agent.stop(signal.SIGTERM)
    with open(result, "w", encoding="utf-8") as out:
        json.dump(found, out)


ROWS = [
    ("the slices read by curl, for comparison", "{list_s:.2f} s"),
    ("start to ready, no agent before", "{ready_s:.2f} s"),
    ("  of it, from the first bytes of a list", "{read_s:.2f} s"),
    ("  agent CPU until then", "{cpu_s:.2f} s"),
    ("  peak memory (VmHWM)", "{peak_mib:.1f} MiB"),
    ("  resident afterwards: its own memory", "{anon_mib:.1f} MiB"),
    ("    binary and libraries", "{file_mib:.1f} MiB"),
    ("    kernel memory: mapped BPF maps", "{maps_mib:.1f} MiB"),
    ("killed and started again, to ready", "{again_s:.2f} s"),
    ("  agent CPU until then", "{again_cpu_s:.2f} s"),
    ("  peak memory (VmHWM)", "{again_peak_mib:.1f} MiB"),
    ("one EndpointSlice change, all {n} endpoints", "{n_changes} changes"),
    ("  PATCH sent -> new connections use it", "{asked_ms:.2f} ms median, {asked_p90_ms:.2f} p90"),
    ("  another client is told -> they use it", "{told_ms:.2f} ms median, {told_p90_ms:.2f} p90"),
    ("  agent CPU of one change", "{change_cpu_ms:.2f} ms"),
    ("agent CPU when nothing changes", "{idle_cpu_percent:.2f} %"),
]


def table(n_endpoints, *results):
    found = []
    for path in results:
        with open(path, encoding="utf-8") as file:
            found.append(json.load(file))
    found.sort(key=lambda one: one["n_services"])
    head = [f"{one['n_services']} Services x {n_endpoints}" for one in found]
    lines = [["", *head]]
    lines += [[title.format(n=n_endpoints), *(form.format(**one) for one in found)] for title, form in ROWS]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def main():
    match sys.argv[1:]:
        case ["measure", result, list_s, n_endpoints, n_changes, switchloop, cgroup, *command] if command:
            measure(result, list_s, n_endpoints, n_changes, switchloop, cgroup, *command)
        case ["table", n_endpoints, *results] if results:
            table(n_endpoints, *results)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
