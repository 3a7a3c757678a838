#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether the alert rules and the dashboard ask for what an agent tells, told as TAP.

    monitoring.py PROMETHEUS DASHBOARD

PROMETHEUS: the URL of a server that scrapes an agent and has read the rules. Each time series that an
expression names must be there with a value, each rule must say what to do, and each query of the
dashboard must have an answer.
"""
import json
import re
import sys
import urllib.parse
import urllib.request

# A name that is followed by labels, or stands alone; functions, labels and keywords have no such prefix.
SELECTOR = re.compile(r"\b(?:(?:svcbpf|kubeproxy|process)_\w+|up)\b(?:\{[^}]*\})?")


class Prometheus:
    def __init__(self, url):
        self._url = url

    def _get(self, path, **fields):
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(fields)}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]

    def ask(self, query):
        """The number of answers; a query that cannot be read is an exception."""
        return len(self._get("query", query=query)["result"])

    def rules(self):
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]


class Facts:
    def __init__(self):
        self._n = 0

    def tell(self, is_true, fact, why=""):
        self._n += 1
        print(f"{'ok' if is_true else 'not ok'} {self._n} - {fact}")
        if not is_true:
            print(f"# {why}")


def check_series(facts, prometheus, what, expression):
    missing = [one for one in sorted(set(SELECTOR.findall(expression))) if not prometheus.ask(one)]
    facts.tell(SELECTOR.search(expression) and not missing, f"{what}: all it asks for is there",
               f"no such series: {missing} in {expression}")


def check_rule(facts, prometheus, rule):
    name, labels, texts = rule["name"], rule["labels"], rule["annotations"]
    check_series(facts, prometheus, f"alert {name}", rule["query"])
    facts.tell(labels.get("severity") in ("critical", "warning"), f"alert {name}: has a severity", labels)
    facts.tell(len(texts.get("summary", "")) > 20 and len(texts.get("description", "")) > 60,
               f"alert {name}: says what it is and what to do", texts)
    facts.tell(rule["state"] != "firing", f"alert {name}: does not fire while all is well", rule.get("alerts"))


def queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def check_panel(facts, prometheus, title, query):
    query = query.replace("$__rate_interval", "20s").replace("$instance", ".*")
    check_series(facts, prometheus, f"panel '{title}'", query)
    facts.tell(prometheus.ask(query), f"panel '{title}': its query has an answer", query)


def check_layout(facts, dashboard):
    cells, ids = set(), [panel["id"] for panel in dashboard["panels"]]
    n_cells = 0
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        n_cells += at["w"] * at["h"]
        cells.update((at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"]))
    facts.tell(len(ids) == len(set(ids)), "the dashboard: each panel has its own id", ids)
    facts.tell(n_cells == len(cells) and max(x for x, _ in cells) < 24, "the dashboard: no panel covers another")


def main():
    facts, prometheus = Facts(), Prometheus(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        dashboard = json.load(file)
    rules = prometheus.rules()
    facts.tell(len(rules) >= 15, f"{len(rules)} alert rules", rules)
    for rule in rules:
        check_rule(facts, prometheus, rule)
    check_layout(facts, dashboard)
    for title, query in queries(dashboard):
        check_panel(facts, prometheus, title, query)


main()
