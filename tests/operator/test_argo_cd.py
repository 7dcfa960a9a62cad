"""How Argo CD tells the health of an ImageBuild: its check is run by the Lua that Argo CD has."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.programs import program
from support.resources import DIGEST, IMAGE, NOW, image_build, time
from yadokari_api.reasons import StateReason
from yadokari_api.status import BuildFailure, RunStatus, Status, format_status
from yadokari_contract.result import BuildResult
from yadokari_operator import reports

CONFIG = Path(__file__).parents[2] / "kustomize/argo-cd/argocd-cm.yaml"
CHECK = yaml.safe_load(CONFIG.read_text())["data"]["resource.customizations.health.yadokari.dev_ImageBuild"]

BUILD = image_build()
RUN = Status(inputs_hash="0" * 64, run=RunStatus(number=1, attempt=1, started_at=time(83)))
FAILURE = BuildFailure(reason="StepFailed", message="Dockerfile:3: exit code 7")
DONE = reports.succeeded(BUILD, RUN, NOW, [IMAGE], BuildResult(digest=DIGEST), NOW)

STATUSES = {
    "not seen": (Status(), "Progressing"),
    "waiting": (reports.waiting(BUILD, RUN, NOW, StateReason.PULLING, "soon"), "Progressing"),
    "lacking": (reports.blocked(BUILD, RUN, NOW, StateReason.SECRET_NOT_FOUND, "no Secret"), "Progressing"),
    "building": (reports.building(BUILD, RUN, NOW), "Progressing"),
    "retrying": (reports.retrying(BUILD, RUN, NOW, FAILURE), "Progressing"),
    "succeeded": (DONE, "Healthy"),
    "failed": (reports.failed(BUILD, RUN, NOW, FAILURE, NOW), "Degraded"),
    "suspended": (reports.suspended(BUILD, RUN, NOW), "Suspended"),
    "forbidden": (reports.forbidden(BUILD, DONE, NOW), "Degraded"),
}


def literal(value: Any) -> str:
    """Write a value of JSON in Lua."""
    match value:
        case dict():
            return "{" + ", ".join(f"[{literal(key)}] = {literal(it)}" for key, it in value.items()) + "}"
        case list():
            return "{" + ", ".join(map(literal, value)) + "}"
        case str():
            return '"' + "".join(f"\\{byte}" for byte in value.encode()) + '"'
        case bool() | None:
            return {True: "true", False: "false", None: "nil"}[value]
    return str(value)


def health(folder: Path, status: Status, generation: int = 1) -> tuple[str, str]:
    """Tell status and message as Argo CD would."""
    glua = program("glua")
    if not glua:
        pytest.skip("no Lua: run tests/setup servers")
    resource = {"metadata": {"generation": generation}, "status": format_status(status)}
    script = folder / "check.lua"
    script.write_text(
        f"obj = {literal(resource)}\n"
        f"local function check()\n{CHECK}\nend\n"
        'local found = check()\nprint(found.status)\nprint(found.message or "")\n'
    )
    done = subprocess.run([glua, script], capture_output=True, text=True, check=True)
    state, _, message = done.stdout.partition("\n")
    return state, message.strip()


@pytest.mark.parametrize("name", STATUSES)
def test_each_phase_has_the_health_that_it_should(tmp_path: Path, name: str) -> None:
    status, expected = STATUSES[name]
    state, message = health(tmp_path, status)
    assert state == expected
    assert message == (
        status.conditions[0].message if status.conditions else "the operator has not seen it yet"
    )


def test_what_is_said_of_an_earlier_spec_is_no_health_of_this_one(tmp_path: Path) -> None:
    assert health(tmp_path, DONE, generation=2)[0] == "Progressing"
