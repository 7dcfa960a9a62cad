"""--dryrun, as a pod runs it."""

import json
from pathlib import Path

import pytest

from support.pod import Bind, PodResult, run_pod, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(why_no_containers() is not None, reason=str(why_no_containers())),
]


def dry_run(folder: Path, dockerfile: str, *arguments: str) -> PodResult:
    (folder / "Dockerfile").write_text(dockerfile)
    return run_pod([f"--context=dir://{folder}", "--dryrun", *arguments], binds=[Bind(str(folder))])


def test_plan_and_warnings_are_told_and_no_destination_is_needed(tmp_path: Path) -> None:
    result = dry_run(tmp_path, "FROM busybox AS App\nRUN false\n")
    assert result.exit_code == 0
    assert "stage app (line 1, the target)\n" in result.output
    assert "    2  RUN false\n" in result.output
    assert "warning: StageNameCasing: Stage name 'App' should be lowercase (line 1)\n" in result.output


def test_the_report_is_json_where_the_log_is(tmp_path: Path) -> None:
    result = dry_run(tmp_path, "FROM scratch\nCMD x\n", "--log-format=json")
    report = json.loads(result.output)
    assert report["stages"][0]["steps"][0]["instruction"] == "CMD x"
    assert report["warnings"][0]["rule"] == "JSONArgsRecommended"


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        ("FROM scratch\nRUNN x\n", "error: Dockerfile:2: unknown instruction: RUNN"),
        ("# check=error=true\nFROM scratch\nCMD x\n", "lint violation found for rules: JSONArgsRecommended"),
    ],
)
def test_a_wrong_dockerfile_is_told_by_the_exit_code(tmp_path: Path, dockerfile: str, message: str) -> None:
    result = dry_run(tmp_path, dockerfile)
    assert result.exit_code == 10
    assert message in result.output


def test_the_root_stays_as_it_is(tmp_path: Path) -> None:
    script = (
        "mkdir /own && printf 'FROM scratch\\nCOPY . /x\\n' > /own/Dockerfile"
        " && /yadokari/executor --context=dir:///own --dryrun && ls -d /own/Dockerfile"
        ' && echo "work: [$(ls -A /yadokari/work)]"'
    )
    result = run_pod(["sh", "-c", script], image="debug", entrypoint="/busybox/busybox")
    assert "/own/Dockerfile\n" in result.output
    assert "work: []\n" in result.output
