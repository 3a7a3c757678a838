#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Load time, memory and the time of one change: `make bench-load`.

    load.py BINARY [SERVICES] [ENDPOINTS] [CHANGES]

Writes a folder with one JSON file for each Service and its EndpointSlice, lets `svcbpf run` load
it in a private network and mount namespace and a cgroup of its own, then replaces one file after
the other (write to temporary, rename) and measures the time from the rename to the agent's word
that the change is in the kernel. CPU and memory are the kernel's accounting of the agent.
"""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

READY_S = 120
CHANGE_S = 10


def cgroup_root():
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            if line.split()[2] == "cgroup2":
                return line.split()[1]
    sys.exit("load.py: no cgroup v2 is mounted")


def service(index, n_endpoints, generation):
    name = f"s{index}"
    address = f"10.{96 + (index >> 16)}.{index >> 8 & 255}.{index & 255}"
    endpoints = [
        {
            "addresses": [f"10.{128 + generation % 64}.{(index * n_endpoints + i) >> 8 & 255}.{(index * n_endpoints + i) & 255}"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": f"node-{i % 50}",
        }
        for i in range(n_endpoints)
    ]
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": "bench"},
                "spec": {
                    "clusterIP": address,
                    "clusterIPs": [address],
                    "ipFamilies": ["IPv4"],
                    "selector": {"app": name},
                    "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
                },
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{name}-abcde",
                    "namespace": "bench",
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
                "endpoints": endpoints,
            },
        ],
    }


def write(folder, index, n_endpoints, generation):
    path = os.path.join(folder, f"s{index}.json")
    with open(path + ".tmp", "w", encoding="utf-8") as out:
        json.dump(service(index, n_endpoints, generation), out)
    os.rename(path + ".tmp", path)


def status_kib(pid, field):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(rf"^{field}:\s+(\d+)", status.read(), re.M).group(1))


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(agent, pattern, limit_s):
    """Read the agent's log until a line matches; the time of that line and the line."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        line = agent.stderr.readline()
        if not line:
            break
        if re.search(pattern, line):
            return time.monotonic(), line.strip()
    sys.exit(f"load.py: no line with '{pattern}' within {limit_s} s")


def measure(binary, folder, cgroup, n_services, n_endpoints, n_changes):
    start = time.monotonic()
    agent = subprocess.Popen(
        ["unshare", "-n", "-m", "sh", "-c",
         'mount -t bpf bpf /mnt && ip link set lo up && exec "$0" run --manifests "$1" --cgroup "$2"'
         " --pin-dir /mnt/pins --node-name node-1 --devices none -v",
         binary, folder, cgroup],
        stderr=subprocess.PIPE, text=True)
    try:
        ready, _ = wait_for(agent, r"\bready\b", READY_S)
        print(f"{n_services} Services x {n_endpoints} endpoints, one JSON file each")
        print(f"start to ready      {ready - start:.2f} s")
        print(f"agent CPU to ready  {cpu_s(agent.pid):.2f} s")
        print(f"peak memory         {status_kib(agent.pid, 'VmHWM') / 1024:.1f} MiB"
              f" (kernel maps mapped and touched included)")
        print(f"resident, anonymous {status_kib(agent.pid, 'RssAnon') / 1024:.1f} MiB")
        print(f"resident, mapped    "
              f"{(status_kib(agent.pid, 'VmRSS') - status_kib(agent.pid, 'RssAnon')) / 1024:.1f} MiB")
        before, times = cpu_s(agent.pid), []
        for change in range(n_changes):
            index = change * 7919 % n_services
            renamed = time.monotonic()
            write(folder, index, n_endpoints, change + 1)
            applied, line = wait_for(agent, rf"changed bench/s{index}\b", CHANGE_S)
            times.append((applied - renamed) * 1000)
        print(f"one change          {statistics.median(times):.1f} ms median of {n_changes},"
              f" {max(times):.1f} max, from rename to in the kernel (20 ms of quiet included)")
        print(f"CPU of one change   {(cpu_s(agent.pid) - before) / n_changes * 1000:.2f} ms")
        print(f"last log line       {line}")
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait()


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: load.py BINARY [SERVICES] [ENDPOINTS] [CHANGES]")
    numbers = [int(n) for n in sys.argv[2:]] + [10000, 25, 50][len(sys.argv) - 2:]
    folder = tempfile.mkdtemp(prefix="svcbpf-load-")
    cgroup = os.path.join(cgroup_root(), f"svcbpf-load-{os.getpid()}")
    os.mkdir(cgroup)
    try:
        for index in range(numbers[0]):
            write(folder, index, numbers[1], 0)
        measure(os.path.abspath(sys.argv[1]), folder, cgroup, *numbers)
    finally:
        shutil.rmtree(folder)
        os.rmdir(cgroup)


if __name__ == "__main__":
    main()
