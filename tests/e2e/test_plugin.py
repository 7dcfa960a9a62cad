"""The kubectl plugin on the real cluster, beside what kubectl says of the same."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Cluster
from support.installation import Installation
from support.plugin import Plugin
from yadokari_api.reasons import advice

pytestmark = pytest.mark.cluster

_STEPS = """\
FROM busybox AS base
COPY hello.txt sub/ /data/
RUN for i in 1 2 3; do echo "line $i"; sleep 1; done; printf '\\033]52;c;aGk=\\007\\033[31mred\\033[0m\\n'
ENV GREETING=hello
RUN cat /data/hello.txt
"""
_BROKEN = """\
FROM busybox AS first
RUN true

FROM busybox AS second
RUN echo before; \\
    false
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where builds are made by the plugin, and kubectl looks at them."""

    cluster: Cluster
    namespace: str
    plugin: Plugin
    folder: Path

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def create(self, name: str, *arguments: str) -> None:
        image = f"{self.cluster.registry}/{self.namespace}/{name}:1"
        said = self.plugin("create", name, *arguments, "-d", image, "--insecure")
        assert (said.code, said.out) == (0, f"imagebuild.yadokari.dev/{name} created\n"), said

    def get(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", "imagebuild", name, "-o", "json"))
        return found


@pytest.fixture(scope="module")
def place(
    cluster: Cluster, installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    namespace = f"plugin-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", namespace)
    folder = tmp_path_factory.mktemp("plugin")
    for name, text in {
        "app/Dockerfile": _STEPS,
        "app/.dockerignore": "secret\n",
        "app/secret": "not for the cluster",
        "app/hello.txt": "hello there\n",
        "app/sub/two.txt": "two\n",
        "tool/Dockerfile": "FROM busybox\nCOPY tool /bin/tool\nRUN tool\n",
        "tool/tool": "#!/bin/sh\necho the tool works\n",
        "broken/Dockerfile": _BROKEN,
        "slow/Dockerfile": "FROM busybox\nRUN sleep 600\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "tool/tool").chmod(0o755)
    made = Place(cluster, namespace, Plugin.of(cluster, namespace), folder)
    made.create("app", str(folder / "app"))
    made.create("broken", "--file", str(folder / "broken/Dockerfile"))
    made.create("slow", "--file", str(folder / "slow/Dockerfile"))
    yield made
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_a_folder_is_built_from_config_maps_that_go_with_the_build(place: Place) -> None:
    config_map = json.loads(place.kubectl("get", "configmap", "app-context", "-o", "json"))
    assert set(config_map["data"]) == {".dockerignore", "Dockerfile", "hello.txt", "3.sub_two.txt"}
    (owner,) = config_map["metadata"]["ownerReferences"]
    assert owner["uid"] == place.get("app")["metadata"]["uid"]


def test_a_log_that_is_followed_in_a_pipe_is_that_of_kubectl_made_harmless(place: Place) -> None:
    said = place.plugin("logs", "app", "-f")
    assert said.code == 0, said
    pod = place.kubectl("get", "imagebuild", "app", "-o", "jsonpath={.status.run.pod}")
    log = place.kubectl("logs", pod, "-c", "executor")
    assert "\x1b]52" not in said.out
    assert said.out.splitlines()[-5:] == log.replace("\x1b[31mred\x1b[0m", "red").splitlines()[-5:]
    assert [line for line in said.out.splitlines() if line.startswith("line ")] == [
        "line 1",
        "line 2",
        "line 3",
    ]
    assert place.get("app")["status"]["output"]["digest"] in said.notes


def test_waiting_tells_by_the_exit_code_what_came_of_a_build(place: Place) -> None:
    done = place.plugin("wait", "app", "--timeout", "2m")
    assert (done.code, place.get("app")["status"]["output"]["ref"] in done.out) == (0, True), done
    failed = place.plugin("wait", "broken", "--timeout", "2m")
    assert (failed.code, failed.out) == (1, "")
    assert "StepFailed" in failed.notes
    late = place.plugin("wait", "slow", "--timeout", "1s")
    assert (late.code, "did not come to succeeded within 1s" in late.notes) == (124, True)


def test_the_list_says_what_kubectl_says(place: Place) -> None:
    for name in ("app", "broken"):
        place.plugin("wait", name, "--for", "finished", "--timeout", "2m")
    ours = words(place.plugin("list").out)
    theirs = words(place.kubectl("get", "imagebuilds"))
    for name in ("NAME", "app", "broken"):
        assert ours[name][:2] == theirs[name][:2]
    image = f"{place.cluster.registry}/{place.namespace}/app:1"
    assert ours["app"][2:5] == ["5/5", "Succeeded", image]
    # kubectl shows steps while they run, and an image when it is there.
    assert theirs["app"][2:4] == ["Succeeded", image]
    assert ours["broken"][3] == theirs["broken"][2] == "StepFailed"
    assert place.plugin("list", "-o", "name").out == place.kubectl("get", "imagebuilds", "-o", "name")
    everywhere = Plugin(place.plugin.path, place.plugin.environment)("list", "-A").out
    assert [place.namespace, "app"] in [line.split()[:2] for line in everywhere.splitlines()]


def words(text: str) -> dict[str, list[str]]:
    """Read a table by its first column."""
    return {name: cells for name, *cells in map(str.split, text.splitlines())}


def test_kubectl_runs_the_plugin_and_completes_its_words(place: Place) -> None:
    # Both programs are where Python's are.
    path = f"{Path(sys.executable).parent}:{place.plugin.path}"
    environment = {**place.plugin.variables, "PATH": path}

    def kubectl(*arguments: str) -> list[str]:
        command = ["kubectl", *arguments]
        return subprocess.check_output(command, env=environment, text=True).splitlines()

    assert kubectl("imagebuild", "explain", "stepfailed")[0].split() == ["Reason:", "StepFailed"]
    words = ("imagebuild", "describe", "-n", place.namespace)
    assert kubectl("__complete", *words, "bro")[:1] == ["broken"]
    assert kubectl("__complete", "imagebuild", "canc")[:1] == ["cancel"]


def test_a_failure_is_described_with_its_stage_its_lines_its_log_and_what_to_do(place: Place) -> None:
    place.plugin("wait", "broken", "--for", "finished")
    text = place.plugin("describe", "broken").out
    failure = place.get("broken")["status"]["failure"]
    assert f"  What to do:  {advice(failure['reason'])}" in text
    assert "  Stage:       second\n" in text
    assert "    5 | >>> RUN echo before; \\\n    6 |         false\n" in text
    assert "  Log:\n    before\n" in text
    events = text.partition("Events:")[2]
    assert "StepFailed" in events
    assert place.plugin("explain", failure["reason"]).out.splitlines()[-1].endswith(advice(failure["reason"]))


def test_a_folder_with_a_program_is_pushed_where_config_maps_would_spoil_it(place: Place) -> None:
    folder = str(place.folder / "tool")
    image = f"{place.cluster.registry}/{place.namespace}/tool:1"
    refused = place.plugin("create", "tool", folder, "-d", image, "--insecure")
    assert (refused.code, "tool is executable" in refused.notes, "--context-image" in refused.notes) == (
        1,
        True,
        True,
    )
    place.create("tool", folder, "--context-image", f"{place.cluster.registry}/{place.namespace}/context")
    assert place.plugin("wait", "tool", "--timeout", "2m").code == 0
    assert "the tool works" in place.plugin("logs", "tool").out


def test_a_build_is_cancelled_and_built_again(place: Place) -> None:
    assert place.plugin("wait", "slow", "--for", "started", "--timeout", "2m").code == 0
    assert place.plugin("cancel", "slow").code == 0
    place.kubectl("wait", "--for=jsonpath={.status.phase}=Suspended", "imagebuild/slow", "--timeout=60s")
    stuck = place.plugin("wait", "slow")
    assert (stuck.code, "rebuild slow" in stuck.notes) == (1, True)
    again = place.plugin("cancel", "slow")
    assert (again.code, "nothing to cancel" in again.notes) == (1, True)
    assert place.plugin("rebuild", "slow").code == 0
    assert place.plugin("wait", "slow", "--for", "started", "--timeout", "2m").code == 0
    place.kubectl("delete", "imagebuild", "slow")


def test_a_build_on_a_terminal_ends_with_its_steps_and_its_image(place: Place) -> None:
    screen = place.plugin.on_terminal("rebuild", "app", "-f", columns=80)
    screen.wait_for(" => => # line 2", 120)
    assert screen.end(120) == 0
    run = place.get("app")["status"]["run"]
    assert run["reason"] == "Requested"
    steps = [line for line in screen.lines if line.startswith(" => [")]
    assert [line.split()[1] for line in steps] == [f"[{number}/5]" for number in range(1, 6)]
    assert all(len(line) == 80 and line.endswith("s") for line in steps)
    assert place.get("app")["status"]["output"]["digest"] in screen.text.replace("\n", "")
    assert b"\x1b]" not in screen.raw
