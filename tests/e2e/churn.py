#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Services that come, change and go, through the API server.

    churn.py SERVICES CHANGES [SEED]

Creates the Services in the namespace "default", each with an EndpointSlice of up to 4 endpoints, then
makes random changes: other endpoints, another port, NodePort and back, affinity, a label that gives
the Service to another proxy, delete, create again. Prints how many are left.
"""
import random
import sys

import kapi

THREADS = 4
SERVICES = kapi.SERVICES.format("default")
SLICES = kapi.SLICES.format("default")
PROXY_NAME = "service.kubernetes.io/service-proxy-name"


def random_endpoints(chance):
    return [kapi.endpoint(i, f"10.244.{8 + i}.{chance.randrange(1, 250)}") for i in range(chance.randrange(5))]


def create(client, chance, index):
    client.create(SERVICES, kapi.service(index, "default"))
    client.create(SLICES, kapi.endpoint_slice(index, "default", random_endpoints(chance)))


def delete(client, index):
    client.delete(f"{SERVICES}/s{index}")
    client.delete(f"{SLICES}/s{index}-x7k2p")


def change(client, chance, index):
    """One change of a Service that is there. Returns whether it still is."""
    at = f"{SERVICES}/s{index}"
    match chance.randrange(8):
        case 0:
            delete(client, index)
            return False
        case 1:
            port = {"name": "http", "port": chance.randrange(80, 90), "targetPort": 8080, "protocol": "TCP"}
            client.merge(at, {"spec": {"ports": [port]}})
        case 2:
            client.merge(at, {"spec": {"type": chance.choice(["NodePort", "ClusterIP"])}})
        case 3:
            client.merge(at, {"spec": {"sessionAffinity": chance.choice(["ClientIP", "None"])}})
        case 4:
            client.merge(at, {"metadata": {"labels": {PROXY_NAME: chance.choice(["other", None])}}})
        case _:
            client.merge(f"{SLICES}/s{index}-x7k2p", {"endpoints": random_endpoints(chance)})
    return True


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    n_services, n_changes = int(sys.argv[1]), int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) == 4 else 1
    is_there = [True] * n_services

    def run(client, lane):
        """One thread's share: the Services whose index leaves this remainder, in one order."""
        chance = random.Random(seed * 1000 + lane)
        mine = range(lane, n_services, THREADS)
        for index in mine:
            create(client, chance, index)
        for _ in range(n_changes // THREADS):
            index = chance.choice(mine)
            if is_there[index]:
                is_there[index] = change(client, chance, index)
            else:
                create(client, chance, index)
                is_there[index] = True

    kapi.in_parallel(THREADS, range(THREADS), run)
    print(sum(is_there))


if __name__ == "__main__":
    main()
