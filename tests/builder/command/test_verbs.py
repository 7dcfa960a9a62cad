"""Verbs beside building."""

import base64
import io
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.executor import Ended, Executor
from support.gate import Spoiled, running_gate, times
from support.layout import Layout
from support.registry import PASSWORD, USER, Registry
from support.verbs import run_verb
from yadokari_builder.command import copy_runtime
from yadokari_builder.command.own_files import is_writable
from yadokari_contract import VERSION
from yadokari_contract.verbs import VERBS, Verb

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def login(folder: Path, *arguments: str, stdin: str = "") -> Ended:
    return run_verb("login", *arguments, stdin=stdin, DOCKER_CONFIG=str(folder))


def kept(folder: Path) -> dict[str, Any]:
    """What is kept, with user and password in the place of their base64 form."""
    config = json.loads((folder / "config.json").read_text())
    return {key: base64.b64decode(entry["auth"]).decode() for key, entry in config["auths"].items()}


def test_the_version_is_the_distributions() -> None:
    assert tomllib.loads(PROJECT.read_text())["project"]["version"] == VERSION
    assert run_verb("version").out == f"yadokari {VERSION}\n"
    assert run_verb("version", "--short").code == 2


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_verb_tells_its_flags(verb: Verb) -> None:
    done = run_verb(verb.name, "--help")
    assert (done.code, done.log) == (0, "")
    assert done.out.startswith(f"{verb.synopsis}: ")
    assert all(f" --{flag.name} " in done.out.replace("\n", " ") for flag in verb.flags)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_verb_that_is_told_to_stop_ends_with_the_code_for_that(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/app"
        command = [sys.executable, "-m", "yadokari_builder", "resolve", image]
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as verb:
            silent.accept()[0].close()
            verb.send_signal(number)
            log = verb.communicate(timeout=60)[1].decode()
    assert verb.returncode == 143
    assert log.endswith("error: it was told to stop\n")


def test_the_help_lists_flags_and_verbs() -> None:
    shown = run_verb("-h").out
    assert "-d, --destination" in shown
    assert all(f"  {verb.synopsis} " in shown for verb in VERBS)


def test_what_is_no_verb_is_told() -> None:
    done = run_verb("destroy")
    assert (done.code, done.out) == (2, "")
    assert "'destroy' is not a flag" in done.log


def test_a_password_is_kept_where_builds_look_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "docker"
    assert login(folder, "r.example:5000", "-u", "me", "--password-stdin", stdin="pass:word\n").code == 0
    assert login(folder, "-u=you", "-p", "old", "docker.io").code == 0
    done = login(folder, "index.docker.io", "--username", "you", "--password-stdin", stdin="new")
    assert done.code == 0, done.log
    assert kept(folder) == {"r.example:5000": "me:pass:word", "https://index.docker.io/v1/": "you:new"}
    assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
    assert [file.name for file in folder.iterdir()] == ["config.json"]
    assert "new" not in done.out + done.log


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["r.example"], "", "--username NAME"),
        (["r.example", "-u", "me"], "", "--password-stdin"),
        (["r.example", "-u", "me", "-p", "x", "--password-stdin"], "y", "--password-stdin"),
        (["r.example", "-u", "me", "--password-stdin"], "\n", "is empty"),
        (["-u", "me", "-p", "x"], "", "login takes one registry"),
        (["a", "b", "-u", "me", "-p", "x"], "", "login takes one registry"),
        (["a", "--usrname=x"], "", "did you mean --username"),
    ],
)
def test_a_login_that_lacks_something_is_refused(
    arguments: list[str], stdin: str, message: str, tmp_path: Path
) -> None:
    done = login(tmp_path, *arguments, stdin=stdin)
    assert done.code == 2
    assert message in done.log
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"credsStore": "desktop"}, "another program keeps the credentials for r.example"),
        ({"credHelpers": {"r.example": "ecr-login"}}, "another program keeps the credentials for r.example"),
        ([], "is not a JSON object"),
    ],
)
def test_a_file_that_cannot_keep_a_password_stays_as_it_is(
    config: object, message: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = login(tmp_path, "r.example", "-u", "me", "-p", "x")
    assert done.code == 2
    assert message in done.log
    assert json.loads((tmp_path / "config.json").read_text()) == config


def test_what_was_written_is_pushed(executor: Executor, registry: Registry, name: str) -> None:
    outputs = ["--tar-path=image.tar", "--oci-layout-path=layout", "--digest-file=digest"]
    assert executor("FROM scratch\nCOPY Dockerfile /\n", "--no-push", *outputs).code == 0
    for output in ("image.tar", "layout"):
        image = f"{registry.host}/{name}:{output}"
        done = run_verb("push", str(executor.folder / output), "-d", image, "--insecure")
        assert done.code == 0, done.log
        layout = Layout.pull(image, executor.folder / f"pulled-{output}")
        assert layout.names_in_layers() == {"Dockerfile"}
    assert done.out.strip() == layout.digest == (executor.folder / "digest").read_text()


@pytest.fixture
def archive(executor: Executor) -> str:
    assert executor("FROM scratch\nCOPY Dockerfile /\n", "--no-push", "--tar-path=image.tar").code == 0
    return str(executor.folder / "image.tar")


@pytest.mark.long
def test_a_tag_that_cannot_be_overwritten_is_a_success_where_that_is_asked_for(
    archive: str, registry: Registry, name: str
) -> None:
    refused = Spoiled(
        412, body=b'{"errors": [{"code": "PRECONDITION", "message": "configured as immutable"}]}'
    )
    with running_gate(registry.host) as gate:
        gate.spoil = times(2, "/manifests/v1", refused, "PUT")
        arguments = ("push", archive, "-d", f"{gate.host}/{name}:v1", "--insecure")
        assert run_verb(*arguments).code == 21
        done = run_verb(*arguments, "--push-ignore-immutable-tag-errors")
    assert done.code == 0, done.log
    assert "is immutable and stays as it is" in done.log
    assert Layout.pull(f"{registry.host}/{name}@{done.out.strip()}", Path(archive).with_name("pulled"))


@pytest.mark.long
def test_a_push_heeds_variables_of_kaniko(archive: str, secure_registry: Registry, name: str) -> None:
    arguments = ("push", archive, "-d", f"{secure_registry.host}/{name}:v1", "--skip-tls-verify")
    prefix = f"KANIKO_{re.sub('[.:]', '_', secure_registry.host)}"
    credentials = {f"{prefix}_USER": USER, f"{prefix}_PASSWORD": PASSWORD}
    assert run_verb(*arguments).code == 13
    # What stands for a flag that push has not is meant for builds.
    assert run_verb(*arguments, KANIKO_NO_PUSH="true", **credentials).code == 0
    refused = run_verb(*arguments, KANIKO_REGISTRY_MAP="r.example=https://mirror", **credentials)
    assert refused.code == 2
    assert "registry mirror 'https://mirror'" in refused.log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-d", "r.example/a"], "push takes one file or folder"),
        (["a", "b", "-d", "r.example/a"], "push takes one file or folder"),
        (["a"], "no --destination"),
        (["a", "--tar-path=b"], "--tar-path is not a flag"),
    ],
)
def test_a_push_that_lacks_something_is_refused(arguments: list[str], message: str) -> None:
    done = run_verb("push", *arguments)
    assert done.code == 2
    assert message in done.log


def test_what_would_differ_from_kaniko_is_told_and_nothing_is_touched(executor: Executor) -> None:
    executor.root.mkdir()
    dockerfile = "FROM scratch\nUSER me\nCOPY Dockerfile /\n"
    done = executor(dockerfile, "--no-push", "--use-new-run", FF_KANIKO_COPY_AS_ROOT="1", verb="check")
    assert done.code == 0, done.log
    assert done.out.splitlines() == [
        "--use-new-run changes nothing: steps run in one way",
        "FF_KANIKO_COPY_AS_ROOT changes nothing: it is always so, as with BuildKit",
        "line 3: files belong to root, where kaniko gives them to me: --chown=me",
        "image: its manifest is OCI's, where kaniko writes Docker's on scratch: --image-format docker",
    ]
    assert not list(executor.root.iterdir())
    same = executor("FROM scratch\nCOPY Dockerfile /\n", "--no-push", "--image-format=docker", verb="check")
    assert same.out == "nothing differs\n"


@pytest.mark.parametrize(
    ("dockerfile", "argument", "code"),
    [("FROM scratch\n", "--nothing", 2), ("FORM scratch\n", "--no-push", 10)],
)
def test_a_check_of_what_cannot_be_built_ends_as_the_build_would(
    executor: Executor, dockerfile: str, argument: str, code: int
) -> None:
    assert executor(dockerfile, argument, verb="check").code == code


def test_the_runtime_is_copied_without_what_builds_wrote_and_with_places_for_volumes(tmp_path: Path) -> None:
    runtime, volume = tmp_path / "root/yadokari", tmp_path / "volume"
    for folder in (runtime / "bin", runtime / "lib/work", runtime / "work/aside", volume):
        folder.mkdir(parents=True)
    (runtime / "bin/python").write_text("program")
    (runtime / "bin/python").chmod(0o755)
    (runtime / "bin/link").symlink_to("python")
    (runtime / "tmp").mkdir()
    (runtime / "tmp/left").touch()
    log = io.StringIO()
    assert copy_runtime.run([str(volume)], tmp_path / "root", log) == 0, log.getvalue()
    found = {str(path.relative_to(volume)) for path in volume.rglob("*")}
    assert found == {"bin", "bin/python", "bin/link", "lib", "lib/work", "work", "tmp", "input"}
    assert os.access(volume / "bin/python", os.X_OK)
    assert str((volume / "bin/link").readlink()) == "python"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "copy-runtime takes one folder"),
        (["--to", "x"], "copy-runtime takes one folder"),
        (["/nowhere/at/all"], "cannot be copied to /nowhere/at/all: No such file or directory"),
        (["/etc"], "/etc is not empty"),
    ],
)
def test_a_runtime_is_copied_only_to_an_empty_folder(arguments: list[str], message: str) -> None:
    done = run_verb("copy-runtime", *arguments)
    assert done.code == 2
    assert message in done.log


def test_a_runtime_that_lies_in_the_root_itself_can_be_written_by_steps(tmp_path: Path) -> None:
    assert not is_writable(tmp_path)
    (tmp_path / "yadokari").mkdir()
    assert is_writable(tmp_path)
