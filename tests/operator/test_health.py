"""How Argo CD and Flux tell the health of an ImageBuild, by the Lua and the kstatus that they have."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.programs import program
from support.resources import DIGEST, IMAGE, NOW, image_build, time
from yadokari_api.reasons import StateReason
from yadokari_api.status import BuildFailure, RunStatus, Status, format_status
from yadokari_contract.results.build import BuildResult
from yadokari_operator import reports

CONFIG = Path(__file__).parents[2] / "kustomize/argo-cd/argocd-cm.yaml"
CHECK = yaml.safe_load(CONFIG.read_text())["data"]["resource.customizations.health.yadokari.dev_ImageBuild"]

BUILD = image_build()
RUN = Status(inputs_hash="0" * 64, run=RunStatus(number=1, attempt=1, started_at=time(83)))
FAILURE = BuildFailure(reason="StepFailed", message="Dockerfile:3: exit code 7")
DONE = reports.succeeded(BUILD, RUN, NOW, [IMAGE], BuildResult(digest=DIGEST), NOW)

# By what it is about: the status, and what Argo CD and Flux make of it.
STATUSES = {
    "not seen": (Status(), "Progressing", "InProgress"),
    "waiting": (reports.waiting(BUILD, RUN, NOW, StateReason.PULLING, "soon"), "Progressing", "InProgress"),
    "lacking": (
        reports.blocked(BUILD, RUN, NOW, StateReason.SECRET_NOT_FOUND, "no Secret"),
        "Progressing",
        "InProgress",
    ),
    "building": (reports.building(BUILD, RUN, NOW), "Progressing", "InProgress"),
    "retrying": (reports.retrying(BUILD, RUN, NOW, FAILURE), "Progressing", "InProgress"),
    "succeeded": (DONE, "Healthy", "Current"),
    "failed": (reports.failed(BUILD, RUN, NOW, FAILURE, NOW), "Degraded", "Failed"),
    "suspended": (reports.suspended(BUILD, RUN, NOW), "Suspended", "InProgress"),
    "forbidden": (reports.forbidden(BUILD, DONE, NOW), "Degraded", "Failed"),
}


def run(name: str, *arguments: str, stdin: str = "") -> str:
    """Run a program in Go, and give what it prints."""
    path = program(name)
    if not path:
        pytest.skip(f"no {name}: run tests/setup servers")
    return subprocess.run([path, *arguments], input=stdin, capture_output=True, text=True, check=True).stdout


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


def argo_health(folder: Path, status: Status, generation: int = 1) -> tuple[str, str]:
    """Tell status and message as Argo CD would."""
    resource = {"metadata": {"generation": generation}, "status": format_status(status)}
    script = folder / "check.lua"
    script.write_text(
        f"obj = {literal(resource)}\n"
        f"local function check()\n{CHECK}\nend\n"
        'local found = check()\nprint(found.status)\nprint(found.message or "")\n'
    )
    state, _, message = run("glua", str(script)).partition("\n")
    return state, message.strip()


@pytest.mark.parametrize("name", STATUSES)
def test_argo_cd_sees_in_each_phase_the_health_that_it_should(tmp_path: Path, name: str) -> None:
    status, expected, _ = STATUSES[name]
    state, message = argo_health(tmp_path, status)
    assert state == expected
    assert message == (
        status.conditions[0].message if status.conditions else "the operator has not seen it yet"
    )


def test_what_is_said_of_an_earlier_spec_is_no_health_of_this_one(tmp_path: Path) -> None:
    assert argo_health(tmp_path, DONE, generation=2)[0] == "Progressing"


def test_flux_sees_in_each_phase_the_state_that_it_should() -> None:
    seen = [(status, 1) for status, _, _ in STATUSES.values()] + [(DONE, 2)]
    resources = [
        {
            "apiVersion": "yadokari.dev/v1alpha1",
            "kind": "ImageBuild",
            "metadata": {"name": "app", "namespace": "team", "generation": generation},
            "status": format_status(status),
        }
        for status, generation in seen
    ]
    states = run("kstatus", stdin=json.dumps(resources)).splitlines()
    assert dict(zip([*STATUSES, "changed since"], states, strict=True)) == {
        **{name: expected for name, (_, _, expected) in STATUSES.items()},
        "changed since": "InProgress",
    }
