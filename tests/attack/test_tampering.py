"""Steps that change what the executor is made of, or what it writes, while it runs."""

import json
from pathlib import Path

import pytest

from support.attack import attack
from support.building import build
from support.pod import Bind, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

GOES_ON = (
    "RUN head -c 3000000 /dev/urandom > /random\nCOPY --from=debian:bookworm /etc/os-release /\n"
    "RUN echo to the end\nUSER nobody-at-all\nRUN true\n"
)


def test_what_is_written_into_its_libraries_in_place_does_not_reach_the_executor(
    tmp_path: Path, kind: str
) -> None:
    result = attack(
        tmp_path,
        "FROM debian:bookworm\n"
        "RUN find /yadokari/lib /yadokari/bin -type f -name '*.so*' | while read f; do"
        " yes | dd of=$f conv=notrunc bs=4096 count=$(($(stat -c %s $f) / 4096)) 2>/dev/null; done; true\n"
        f"{GOES_ON}",
        kind=kind,
    )
    assert "\nto the end\n" in result.output
    assert "unable to find user nobody-at-all" in result.output


def test_no_module_that_a_step_has_written_is_imported(tmp_path: Path, kind: str) -> None:
    result = attack(
        tmp_path,
        "FROM busybox\n"
        "RUN find /yadokari -name '*.pyc' -delete; find /yadokari/lib -name '*.py' | while read f;"
        " do echo 'import os; os.write(2, b\"loaded\\n\")' > $f; done;"
        " cp /yadokari/lib/python3.*/os.py /sitecustomize.py;"
        " ! test -d /yadokari || grep -q loaded /sitecustomize.py\n"
        f"{GOES_ON}",
        kind=kind,
    )
    assert "\nto the end\n" in result.output
    assert "unable to find user nobody-at-all" in result.output
    assert "\nloaded\n" not in result.output


def test_variables_of_the_image_do_not_lead_the_executor(tmp_path: Path, kind: str) -> None:
    names = "HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ALL_PROXY"
    proxies = " ".join(f"{name}=http://127.0.0.2:9" for name in names.split())
    result = attack(
        tmp_path,
        f"FROM busybox\nENV {proxies} SSL_CERT_FILE=/x DOCKER_CONFIG=/x LD_PRELOAD=/x TMPDIR=/x\n"
        f"RUN env | grep -q TMPDIR=/x\n{GOES_ON}",
        kind=kind,
    )
    assert "\nto the end\n" in result.output


def test_a_result_that_a_step_writes_is_not_the_builds(tmp_path: Path, kind: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/result").touch()
    result = attack(
        tmp_path,
        "FROM busybox\n"
        f'RUN echo \'{{"digest":"sha256:{"0" * 64}"}}{"x" * 5000}\' > {tmp_path}/out/result; exit 3\n',
        "--no-push",
        f"--result-file={tmp_path}/out/result",
        binds=[Bind(str(tmp_path / "out"), writable=True)],
        kind=kind,
    )
    assert result.exit_code == 11, result.output
    written = json.loads((tmp_path / "out/result").read_text())
    assert written["failure"]["reason"] == "StepFailed"
    assert "digest" not in written or not written["digest"]


def test_what_a_step_prints_is_told_from_what_the_executor_says(tmp_path: Path, kind: str) -> None:
    forged = '{"level": "info", "msg": "built sha256:0", "kind": "done", "step": 2, "steps": 2}'
    result = attack(
        tmp_path,
        f"FROM busybox\nRUN printf '%s\\n\\007\\r\\b%s\\n' '{forged}' end\n",
        "--no-push",
        "--log-format=json",
        kind=kind,
    )
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line["kind"] for line in lines if line["msg"] == forged] == ["output"]
    assert all(line["msg"].replace("\n", "").replace("\ufffd", "").isprintable() for line in lines)


def test_what_a_step_leaves_running_is_ended_before_the_next_one(tmp_path: Path, kind: str) -> None:
    built = build(
        tmp_path,
        "FROM busybox\n"
        "RUN (setsid sh -c 'trap \"\" TERM HUP INT; while :; do echo x >> /tampered; sleep 0.05; done'"
        " > /dev/null 2>&1 &); while ! test -s /tampered; do sleep 0.05; done\n"
        "RUN rm /tampered; sleep 0.5; test ! -e /tampered && echo alone\n",
        kind=kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "\nalone\n" in built.output


def test_what_a_step_leaves_running_does_not_keep_the_build_waiting(tmp_path: Path, kind: str) -> None:
    result = attack(
        tmp_path,
        "FROM busybox\nRUN (trap '' TERM HUP; setsid sleep 250 &)\nRUN echo went on\n",
        timeout=100,
        kind=kind,
    )
    assert result.exit_code == 0, result.output
    assert "\nwent on\n" in result.output


def test_other_users_see_nothing_of_what_the_executor_keeps(tmp_path: Path, kind: str) -> None:
    result = attack(
        tmp_path,
        "FROM busybox\nRUN head -c 30000000 /dev/urandom > /large\nUSER 1234\n"
        "RUN ! ls /yadokari/work && ! touch /yadokari/lib/x && ! touch /yadokari/tmp/x && echo denied\n",
        kind=kind,
    )
    assert result.exit_code == 0, result.output
    assert "\ndenied\n" in result.output


@pytest.mark.parametrize("name", ["aside", "staging", "shelter", "layers"])
def test_a_step_that_deletes_the_executors_folders_is_blamed(tmp_path: Path, name: str) -> None:
    result = attack(
        tmp_path,
        f"FROM busybox\nRUN rm -r /yadokari/work/{name}\nRUN true\nCOPY Dockerfile /dev/x\n",
    )
    assert result.exit_code == 11, result.output
    assert f"error: Dockerfile:2: the step deleted /yadokari/work/{name}, which is needed" in result.output
