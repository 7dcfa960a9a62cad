"""Alerts and the dashboard, with a real promtool, a real Prometheus and the schema of Grafana."""

import copy
import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.lives import KEY, failed, live, started
from support.operator_process import wait_until
from support.programs import program
from support.resources import NOW, image_build
from yadokari_api.keys import Key
from yadokari_api.status import BuildFailure
from yadokari_operator import reports
from yadokari_operator.exposition import serve
from yadokari_operator.metrics import Metrics

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "kustomize/components/monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PLAIN = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
RULES = PLAIN["groups"][0]["rules"]
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def promtool(*arguments: str | Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not here; tests/setup servers installs it")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_where_it_should_and_nowhere_else() -> None:
    promtool("test", "rules", Path(__file__).parent / "alerts.test.yaml")


def test_every_alert_is_tried() -> None:
    tried = (Path(__file__).parent / "alerts.test.yaml").read_text()
    assert [rule["alert"] for rule in RULES if tried.count(rule["alert"]) < 2] == []


def test_both_files_hold_the_same_alerts() -> None:
    assert yaml.safe_load((MONITORING / "rule.yaml").read_text())["spec"] == PLAIN


def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    families = list(Metrics().registry.collect())
    names = {family.name + end for family in families for end in ("", "_total", "_sum", "_count", "_bucket")}
    asked = set(re.findall(r"yadokari_\w+", " ".join([*QUERIES, *(rule["expr"] for rule in RULES)])))
    assert asked - names == set()
    shown = {re.sub("_(total|sum|count|bucket)$", "", name) for name in asked}
    assert {family.name for family in families} - shown == set()


def unknown_to_grafana(dashboard: dict[str, Any]) -> list[str]:
    """Give what Grafana's schema, in the words of its own library, does not know of a dashboard, or lacks."""
    path = program("grafana")
    if not path:
        pytest.skip("no grafana: run tests/setup servers")
    said = subprocess.run([path], input=json.dumps(dashboard), capture_output=True, text=True, check=True)
    return said.stdout.splitlines()


def test_the_dashboard_is_one_by_the_schema_of_grafana() -> None:
    assert unknown_to_grafana(DASHBOARD) == []


@pytest.mark.parametrize("place", ["panel", "options", "fieldConfig", "custom", "target"])
def test_the_schema_of_grafana_is_held_to_all_parts_of_the_dashboard(place: str) -> None:
    changed = copy.deepcopy(DASHBOARD)
    panel = changed["panels"][0]
    parts = {
        "panel": panel,
        "options": panel["options"],
        "fieldConfig": panel["fieldConfig"]["defaults"],
        "custom": panel["fieldConfig"]["defaults"]["custom"],
        "target": panel["targets"][0],
    }
    parts[place]["colour"] = "red"
    (said,) = unknown_to_grafana(changed)
    assert said.endswith("unexpected field 'colour'")


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that looks on twice a second while builds begin and end."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not here; tests/setup servers installs it")
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    metrics = Metrics()
    metrics.waiting(lambda: 1)
    serve(metrics.registry, f"127.0.0.1:{ports[0]}")
    config = {
        "global": {"scrape_interval": "500ms"},
        "rule_files": [str(MONITORING / "alerts.yaml")],
        "scrape_configs": [
            {"job_name": "yadokari", "static_configs": [{"targets": [f"127.0.0.1:{ports[0]}"]}]}
        ],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{ports[1]}"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address={address}"], stdout=log, stderr=log,
        )  # fmt: skip
    try:
        happen(metrics)
        wait_until(partial(shows, address, "yadokari_builds_total"))
        happen(metrics)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def happen(metrics: Metrics) -> None:
    """Let happen what there are metrics of."""
    live(metrics)
    live(metrics, Key("team", "bad"), failed("PushFailed"))
    failure = BuildFailure(reason="PushFailed", message="gone")
    retrying = reports.retrying(image_build(), started(), NOW, failure)
    metrics.seen(KEY, started(), retrying, NOW)
    metrics.waited(0.01)
    metrics.failed(503)
    metrics.heard("ImageBuilds")
    with metrics.reconciling():
        pass


def answers(address: str, query: str) -> list[Any]:
    """Ask a Prometheus; gives the series with a value."""
    url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)
    except OSError:
        return []
    assert found["status"] == "success", found
    return [series for series in found["data"]["result"] if series["value"][1] != "NaN"]


def shows(address: str, query: str) -> bool:
    """Whether there is an answer."""
    return bool(answers(address, query))


@pytest.mark.long
def test_every_panel_shows_something_of_what_happens(prometheus: str) -> None:
    for query in QUERIES:
        asked = query.replace("$__rate_interval", "1m")
        wait_until(partial(shows, prometheus, asked), 30)
