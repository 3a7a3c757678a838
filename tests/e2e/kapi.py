# SPDX-License-Identifier: Apache-2.0
"""The API server and etcd of tests/e2e/lib.sh over kept-alive connections, for what is done thousands
of times; and the Services and EndpointSlices that load tests are made of."""
import base64
import http.client
import json
import os
import ssl
import threading
import time
import urllib.parse

SERVICES = "/api/v1/namespaces/{}/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"


class Error(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status} {body[:400].decode(errors='replace')}")
        self.status = status


class Client:
    """One connection to the API server, as its administrator; opened again when it was closed."""

    def __init__(self):
        pki = os.path.join(os.environ["E_DIR"], "pki")
        self._tls = ssl.create_default_context(cafile=f"{pki}/ca.crt")
        self._tls.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")
        self._address = urllib.parse.urlsplit(os.environ["E_URL"]).netloc
        self._connection = None

    def _send(self, method, path, body, headers):
        if not self._connection:
            self._connection = http.client.HTTPSConnection(self._address, context=self._tls, timeout=60)
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def request(self, method, path, body=None, content_type="application/json"):
        """The answer's object. Raises Error for a status from 300 on."""
        text = json.dumps(body) if body is not None else None
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "svcbpf-tests"}
        try:
            status, answer = self._send(method, path, text, headers)
        except (http.client.HTTPException, OSError):
            self._connection = None
            status, answer = self._send(method, path, text, headers)
        if status >= 300:
            raise Error(status, answer)
        return json.loads(answer)

    def get(self, path):
        return self.request("GET", path)

    def create(self, path, body):
        return self.request("POST", path, body)

    def merge(self, path, body):
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path):
        return self.request("DELETE", path)

    def watch(self, path):
        """Yield each event of a watch, and the CLOCK_MONOTONIC in ns when it came, until the server ends
        it; on a connection of its own."""
        connection = http.client.HTTPSConnection(self._address, context=self._tls, timeout=600)
        connection.request("GET", path, headers={"Accept": "application/json", "User-Agent": "svcbpf-tests"})
        response = connection.getresponse()
        if response.status != 200:
            raise Error(response.status, response.read())
        while line := response.readline():
            arrived_ns = time.monotonic_ns()
            yield json.loads(line), arrived_ns


def etcd_put(pairs, n_each=64):
    """Write (key, object) pairs straight into etcd, through its JSON gateway: before the API server
    starts, this is a hundred times as fast as asking it to create them."""
    host = urllib.parse.urlsplit(os.environ["E_ETCD_URL"]).netloc
    connection = http.client.HTTPConnection(host, timeout=60)
    encode = lambda text: base64.b64encode(text.encode()).decode()
    for start in range(0, len(pairs), n_each):
        puts = [
            {"requestPut": {"key": encode(key), "value": encode(json.dumps(value, separators=(",", ":")))}}
            for key, value in pairs[start : start + n_each]
        ]
        connection.request("POST", "/v3/kv/txn", json.dumps({"success": puts}))
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise Error(response.status, body)


def in_parallel(n_threads, jobs, work):
    """work(client, job) for each job, on n_threads connections; the first error is raised again."""
    queue, lock, errors = iter(jobs), threading.Lock(), []

    def run():
        client = Client()
        while not errors:
            with lock:
                job = next(queue, None)
            if job is None:
                return
            try:
                work(client, job)
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


# ------------------------------------------------------------------ what a load is made of


def cluster_ip(index):
    """From 10.97.0.0/16 on: leaves 10.96.0.0/16 to the tests."""
    return f"10.97.{index >> 8 & 255}.{index & 255}"


def service(index, namespace):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"s{index}", "namespace": namespace, "labels": {"app": f"s{index}"}},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": cluster_ip(index),
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    }


def endpoint(number, address):
    """As the EndpointSlice controller writes it: what a list of them weighs depends on it."""
    return {
        "addresses": [address],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"node-{number % 50:04}",
        "zone": f"zone-{'abc'[number % 3]}",
        "targetRef": {
            "kind": "Pod",
            "namespace": "load",
            "name": f"app-6d5f8b9c7f-{number:05x}",
            "uid": f"5f0d1c9e-6a52-4f3b-9d6a-{number:012x}",
        },
    }


def endpoints(index, n_endpoints, generation=0):
    numbers = range(index * n_endpoints, (index + 1) * n_endpoints)
    return [endpoint(n, f"10.{128 + (n >> 16) + 8 * generation}.{n >> 8 & 255}.{n & 255}") for n in numbers]


def endpoint_slice(index, namespace, its_endpoints):
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"s{index}-x7k2p",
            "generateName": f"s{index}-",
            "namespace": namespace,
            "labels": {
                "app": f"s{index}",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": f"s{index}",
            },
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"},
        },
        "addressType": "IPv4",
        "endpoints": its_endpoints,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }
