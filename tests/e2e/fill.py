#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write objects straight into an etcd whose API server is not running.

    fill.py load SERVICES ENDPOINTS     Services of one EndpointSlice each, in the namespace "load"
    fill.py restore FILE...             objects as the API gave them (JSON), under their old names
    fill.py age REVISIONS               let the revision grow by as many
"""
import json
import sys
import uuid

import kapi

CREATED = "2026-01-01T00:00:00Z"


def managed(api_version, fields):
    """managedFields: a tenth of a list's bytes."""
    entry = {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": api_version}
    return [entry | {"time": CREATED, "fieldsType": "FieldsV1", "fieldsV1": fields}]


SERVICE_MANAGED = managed(
    "v1",
    {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {
            "f:internalTrafficPolicy": {},
            "f:ports": {
                ".": {},
                'k:{"port":80,"protocol":"TCP"}': {
                    ".": {},
                    "f:name": {},
                    "f:port": {},
                    "f:protocol": {},
                    "f:targetPort": {},
                },
            },
            "f:sessionAffinity": {},
            "f:type": {},
        },
    },
)
SLICE_MANAGED = managed(
    "discovery.k8s.io/v1",
    {
        "f:addressType": {},
        "f:endpoints": {},
        "f:metadata": {
            "f:annotations": {".": {}, "f:endpoints.kubernetes.io/last-change-trigger-time": {}},
            "f:generateName": {},
            "f:labels": {
                ".": {},
                "f:app": {},
                "f:endpointslice.kubernetes.io/managed-by": {},
                "f:kubernetes.io/service-name": {},
            },
            "f:ownerReferences": {".": {}, 'k:{"uid":"5f0d1c9e-6a52-4f3b-9d6a-000000000000"}': {}},
        },
        "f:ports": {},
    },
)


def stored(body, managed_fields=None):
    """What the API server would have added."""
    body["metadata"].update(uid=str(uuid.uuid4()), creationTimestamp=CREATED)
    if managed_fields:
        body["metadata"]["managedFields"] = managed_fields
    return body


def stored_service(index):
    body = stored(kapi.service(index, "load"), SERVICE_MANAGED)
    body["spec"].update(
        clusterIPs=[kapi.cluster_ip(index)],
        ipFamilies=["IPv4"],
        ipFamilyPolicy="SingleStack",
        internalTrafficPolicy="Cluster",
        sessionAffinity="None",
    )
    body["status"] = {"loadBalancer": {}}
    return body


def stored_address(index):
    """Who has a ClusterIP: else the API server finds it missing and writes it itself, for minutes."""
    return stored(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IPAddress",
            "metadata": {
                "name": kapi.cluster_ip(index),
                "labels": {
                    "ipaddress.kubernetes.io/ip-family": "IPv4",
                    "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
                },
            },
            "spec": {"parentRef": {"resource": "services", "namespace": "load", "name": f"s{index}"}},
        }
    )


def load(n_services, n_endpoints):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}}
    namespace.update(spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"})
    kapi.etcd_put([("/registry/namespaces/load", stored(namespace))])
    for start in range(0, n_services, 500):
        pairs = []
        for index in range(start, min(start + 500, n_services)):
            its_slice = kapi.endpoint_slice(index, "load", kapi.endpoints(index, n_endpoints))
            owner = stored_service(index)
            its_slice["metadata"]["ownerReferences"] = [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": f"s{index}",
                    "uid": owner["metadata"]["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ]
            pairs.append((f"/registry/services/specs/load/s{index}", owner))
            pairs.append((f"/registry/ipaddresses/{kapi.cluster_ip(index)}", stored_address(index)))
            pairs.append((f"/registry/endpointslices/load/{its_slice['metadata']['name']}", stored(its_slice, SLICE_MANAGED)))
        kapi.etcd_put(pairs)


FOLDERS = {"Service": "services/specs", "EndpointSlice": "endpointslices"}


def restore(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            body = json.load(file)
        metadata = body["metadata"]
        del metadata["resourceVersion"]
        key = f"/registry/{FOLDERS[body['kind']]}/{metadata['namespace']}/{metadata['name']}"
        kapi.etcd_put([(key, body)])


def main():
    match sys.argv[1:]:
        case ["load", n_services, n_endpoints]:
            load(int(n_services), int(n_endpoints))
        case ["restore", *paths] if paths:
            restore(paths)
        case ["age", n]:
            kapi.etcd_put([("/svcbpf-tests/age", i) for i in range(int(n))], n_each=1)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
