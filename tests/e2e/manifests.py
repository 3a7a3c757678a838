#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Questions about Kubernetes objects that kubectl and helm have printed as JSON.

    manifests.py differ A B       what differs in two lists of objects, one line each, and how many objects
                                  there are; what Helm adds, and how a KubeProxyConfiguration is
                                  written, is no difference
    manifests.py pod LIST NODE    the Pod that the DaemonSet of a list makes on a node
    manifests.py rules LIST       "VERB RESOURCE.GROUP", one line each, of the ClusterRole of a list
    manifests.py audit LOG USER   the same, of what a user has asked the API server for
    manifests.py allowed TEXT     the same, of what `kubectl auth can-i --list` prints
"""
import json
import sys

# The server's own, and what names the release.
NOT_COMPARED = {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "labels"}


def read(path):
    """A List, or one object after the other."""
    with open(path, encoding="utf-8") as file:
        text = file.read().strip()
    objects = []
    while text:
        one, end = json.JSONDecoder().raw_decode(text)
        objects += one["items"] if one["kind"] == "List" else [one]
        text = text[end:].lstrip()
    return objects


def of_kind(path, kind):
    return next(one for one in read(path) if one["kind"] == kind)


def comparable(one):
    one = dict(one)
    one.pop("status", None)
    one["metadata"] = {key: value for key, value in one["metadata"].items() if key not in NOT_COMPARED}
    one["metadata"].pop("annotations", None)
    if one["kind"] == "ConfigMap":
        one["data"] = {key: sorted(text.split("\n")) for key, text in one["data"].items()}
    if one["kind"] == "DaemonSet":
        one["spec"]["template"]["metadata"].pop("annotations", None)
    return one


def leaves(value, path=""):
    """Each value with the way to it."""
    if isinstance(value, dict) and value:
        for key in value:
            yield from leaves(value[key], f"{path}.{key}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield f"{path}={json.dumps(value)}"


def described(path):
    lines = set()
    for one in map(comparable, read(path)):
        name = f"{one['kind']} {one['metadata'].get('namespace', '')}/{one['metadata']['name']} "
        lines.update(name + leaf for leaf in leaves(one))
    return lines


def differ(path_a, path_b):
    a, b = described(path_a), described(path_b)
    return [f"- {line}" for line in sorted(a - b)] + [f"+ {line}" for line in sorted(b - a)] + [
        f"{len(read(path_a))} and {len(read(path_b))} objects"]


def pod(path, node):
    daemon_set = of_kind(path, "DaemonSet")
    template = daemon_set["spec"]["template"]
    metadata = {"name": f"svcbpf-on-{node}", "namespace": daemon_set["metadata"]["namespace"],
                "labels": template["metadata"]["labels"]}
    spec = dict(template["spec"], nodeName=node)
    return [json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})]


def full_name(resource, group):
    return f"{resource}.{group}" if group else resource


def rules(path):
    return sorted({f"{verb} {full_name(resource, group)}"
                   for rule in of_kind(path, "ClusterRole")["rules"]
                   for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]})


def audit(path, user):
    asked = set()
    with open(path, encoding="utf-8") as lines:
        for event in map(json.loads, lines):
            what = event.get("objectRef", {})
            if event["user"]["username"] == user:
                asked.add(f"{event['verb']} {full_name(what.get('resource', event['requestURI']), what.get('apiGroup'))}")
    return sorted(asked)


def allowed(path):
    """Columns: resources, non-resource URLs, resource names, verbs; the last three in brackets."""
    found = set()
    with open(path, encoding="utf-8") as lines:
        for line in list(lines)[1:]:
            resource = line.split(" ")[0]
            verbs = line[line.rindex("[") + 1:line.rindex("]")].split()
            found.update(f"{verb} {resource}" for verb in verbs if resource)
    return sorted(found)


if __name__ == "__main__":
    COMMANDS = {"differ": differ, "pod": pod, "rules": rules, "audit": audit, "allowed": allowed}
    print("\n".join(COMMANDS[sys.argv[1]](*sys.argv[2:])))
