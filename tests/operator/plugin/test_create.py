"""What `create` makes of Dockerfiles and folders; nothing here needs a cluster, nor kubectl."""

import base64
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_imagebuild.context.config_maps import (
    MOST_BYTES,
    MOST_CONFIG_MAPS,
    MOST_FILES,
    UnfitError,
    spread,
)
from support.plugin import Plugin
from support.registry import PASSWORD, USER, running_registry
from yadokari_api.spec import ImageBuildSpec

IMAGE = ("-d", "registry.test/app:1")
CLIENT = ("--dry-run=client", "-o", "json")


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    """The plugin, with no kubectl to be found."""
    return Plugin(str(tmp_path / "nothing"))


def made(plugin: Plugin, *arguments: str, stdin: str = "") -> list[dict[str, Any]]:
    """Return what would be made, the ImageBuild last; its spec is one that can be."""
    said = plugin("create", "app", *arguments, *IMAGE, *CLIENT, stdin=stdin)
    assert said.code == 0, said
    found = json.loads(said.out)
    resources: list[dict[str, Any]] = found["items"] if found["kind"] == "List" else [found]
    ImageBuildSpec.model_validate(resources[-1]["spec"])
    return resources


def folder(tmp_path: Path, **files: str | bytes) -> str:
    """Write a folder; names have __ for a slash, and there is a Dockerfile."""
    root = tmp_path / "folder"
    for name, content in {"Dockerfile": "FROM scratch\nCOPY . /\n", **files}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(root)


def test_a_dockerfile_becomes_the_spec(plugin: Plugin) -> None:
    (build,) = made(
        plugin,
        *("--file", "-", "--build-arg", "VERSION=1.2", "--build-arg", "HOME", "--target", "final"),
        *("--push-secret", "login", "--pull-secret", "other", "--insecure", "-n", "team"),
        stdin="FROM scratch\nCMD é\n",
    )
    assert build["metadata"] == {"name": "app", "namespace": "team"}
    assert build["spec"]["buildArgs"].keys() == {"VERSION", "HOME"}
    del build["spec"]["buildArgs"]
    assert build["spec"] == {
        "dockerfile": "FROM scratch\nCMD é\n",
        "target": "final",
        "destinations": [{"image": IMAGE[1], "insecure": True, "pushSecretRef": {"name": "login"}}],
        "pullSecretRefs": [{"name": "other"}],
    }


def test_platforms_are_named_one_by_one_or_all_at_once(plugin: Plugin) -> None:
    asked = ("--platform", "linux/amd64,linux/arm64", "--platform", "linux/arm/v7", "--platform=linux/amd64")
    (build,) = made(plugin, "--file", "-", *asked, stdin="FROM scratch\n")
    assert build["spec"]["platforms"] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]


def test_a_folder_becomes_a_config_map_without_what_is_ignored(plugin: Plugin, tmp_path: Path) -> None:
    root = folder(
        tmp_path,
        **{".dockerignore": b"*.log\n", "a.log": b"x", "src__a b.txt": b"text", "bin__data": b"\xff\x00"},
    )
    config_map, build = made(plugin, root)
    assert config_map["metadata"]["name"] == "app-context"
    assert set(config_map["data"]) | set(config_map["binaryData"]) == {item["key"] for item in _items(build)}
    assert {item["path"] for item in _items(build)} == {
        ".dockerignore",
        "Dockerfile",
        "src/a b.txt",
        "bin/data",
    }
    (key,) = (item["key"] for item in _items(build) if item["path"] == "bin/data")
    assert base64.b64decode(config_map["binaryData"][key]) == b"\xff\x00"


def _items(build: dict[str, Any]) -> list[dict[str, str]]:
    return [item for one in build["spec"]["context"]["configMaps"] for item in one["items"]]


def test_the_ignore_file_of_the_dockerfile_stands_for_that_of_the_folder(
    plugin: Plugin, tmp_path: Path
) -> None:
    root = folder(
        tmp_path,
        **{".dockerignore": "kept\n", "kept": "", "left": "", "x.Dockerfile": "FROM scratch\n"},
        **{"x.Dockerfile.dockerignore": "left\n"},
    )
    _, build = made(plugin, root, "--file", f"{root}/x.Dockerfile")
    paths = {item["path"] for item in _items(build)}
    assert "kept" in paths
    assert not {"left", ".dockerignore"} & paths


def test_a_folder_without_files_is_an_empty_context(plugin: Plugin, tmp_path: Path) -> None:
    root = folder(tmp_path, **{".dockerignore": "*\n"})
    (build,) = made(plugin, root)
    assert "context" not in build["spec"]


def archive(**members: tuple[bytes, int, bytes]) -> tarfile.TarFile:
    """Make a packed context of contents, modes and types."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as made:
        for name, (content, mode, kind) in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.type = len(content), mode, kind
            made.addfile(member, io.BytesIO(content))
    return tarfile.open(fileobj=io.BytesIO(data.getvalue()))


def plain(content: bytes) -> tuple[bytes, int, bytes]:
    return content, 0o644, tarfile.REGTYPE


def test_many_files_are_spread_over_several_config_maps() -> None:
    many = spread(archive(**{f"files/{number}": plain(b"x") for number in range(MOST_FILES + 1)}), "app")
    assert [one["metadata"]["name"] for one in many.config_maps] == ["app-context", "app-context-2"]
    assert [len(one["items"]) for one in many.context["configMaps"]] == [MOST_FILES, 1]
    large = spread(archive(one=plain(b"1" * MOST_BYTES), two=plain(b"2" * MOST_BYTES)), "app")
    assert [list(one["data"]) for one in large.config_maps] == [["one"], ["two"]]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"run": (b"", 0o755, tarfile.REGTYPE)}, "run is executable"),
        ({"to": (b"", 0o644, tarfile.SYMTYPE)}, "to is a link"),
        ({"empty": (b"", 0o755, tarfile.DIRTYPE), "file": plain(b"")}, "empty is an empty folder"),
        ({"large": plain(b"1" * (MOST_BYTES + 1))}, "large has more than 700 KiB"),
        ({"a\nb": plain(b"")}, "is no path that ConfigMaps have"),
        (
            {f"{number}": plain(b"") for number in range(MOST_FILES * MOST_CONFIG_MAPS + 1)},
            "more than 16 ConfigMaps of 64 files and 700 KiB hold",
        ),
    ],
)
def test_what_config_maps_would_change_is_refused(
    members: dict[str, tuple[bytes, int, bytes]], why: str
) -> None:
    with pytest.raises(UnfitError, match=why):
        spread(archive(**members), "app")


@pytest.mark.long
def test_a_folder_is_pushed_as_an_image_that_the_context_names_by_digest(
    plugin: Plugin, tmp_path: Path
) -> None:
    root = folder(tmp_path, run="#!/bin/sh\n")
    Path(root, "run").chmod(0o755)
    with running_registry(tmp_path / "registry") as registry:
        place = f"{registry.host}/team/context"
        (shown,) = made(plugin, root, "--context-image", place)
        image = shown["spec"]["context"]["oci"]["image"]
        assert image.startswith(f"{place}:app@sha256:")
        assert not list(registry.storage.rglob("context"))
        # It is pushed before kubectl, which is not there, is asked for anything.
        said = plugin("create", "app", root, *IMAGE, "--context-image", place, "--insecure")
        assert (said.code, f"context pushed: {image}" in said.notes) == (1, True), said
        assert (
            json.loads(registry.skopeo("inspect", f"docker://{place}:app"))["Digest"]
            == image.partition("@")[2]
        )


@pytest.mark.long
def test_a_context_is_pushed_with_the_login_of_docker(tmp_path: Path) -> None:
    root = folder(tmp_path, file="x")
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    with running_registry(tmp_path / "registry", passwords=True) as registry:
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        asked = ("create", "app", root, *IMAGE, "--context-image", f"{registry.host}/ctx", "--insecure")
        assert "context pushed" in Plugin("nothing", {"HOME": str(tmp_path)})(*asked).notes
        refused = Plugin("nothing", {"HOME": str(tmp_path / "nobody")})(*asked).notes
        assert "context pushed" not in refused
        assert "UNAUTHORIZED" in refused.upper()


def test_yaml_is_for_people_and_reads_back(plugin: Plugin, tmp_path: Path) -> None:
    said = plugin("create", "app", folder(tmp_path), *IMAGE, "--dry-run=client", "-o", "yaml")
    assert "  dockerfile: |\n    FROM scratch\n    COPY . /\n" in said.out
    assert [one["kind"] for one in yaml.safe_load_all(said.out)] == ["ConfigMap", "ImageBuild"]
    named = plugin("create", "app", folder(tmp_path), *IMAGE, "--dry-run=client").out
    assert named == "configmap/app-context\nimagebuild.yadokari.dev/app\n"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (
            ["create", "app", *IMAGE],
            "error: the Dockerfile Dockerfile cannot be read: No such file or directory",
        ),
        (["create", "app", "/nowhere", *IMAGE], "error: the Dockerfile /nowhere/Dockerfile cannot be read"),
        (["create", "app", "--file", "-"], "the following arguments are required: -d/--destination"),
        (["create", "app", "--file", "-", *IMAGE, "--build-arg", "NONE"], "--build-arg NONE has no value"),
        (
            ["create", "app", "--file", "-", *IMAGE],
            "error: kubectl cannot be run: No such file or directory: install",
        ),
        (["list", "-o", "table"], "invalid choice: 'table'"),
        (["wait", "app", "--timeout", "soon"], "--timeout=soon is no span of time: write it like 90s"),
        (["wait", "app", "--for", "luck"], "--for=luck is not known"),
        (["explain", "StepFaild"], "did you mean StepFailed?"),
        (["logs"], "the following arguments are required: NAME: 'kubectl imagebuild logs --help' tells"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    plugin: Plugin, tmp_path: Path, arguments: list[str], what: str
) -> None:
    said = plugin(*arguments, stdin="FROM scratch\n", cwd=tmp_path)
    assert said.code != 0
    assert what in said.notes
    assert (said.out, said.notes.count("\n")) == ("", 1)


def test_a_reason_is_explained_however_it_is_written(plugin: Plugin) -> None:
    assert "Exit code:    11\n" in plugin("explain", "stepfailed").out
    everything = plugin("explain").out
    assert everything.startswith("REASON")
    assert "OOMKilled" in everything


def test_who_interrupts_it_between_config_maps_leaves_none(tmp_path: Path) -> None:
    asked, kubectl = tmp_path / "asked", tmp_path / "bin/kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(
        f'#!/bin/sh\nPATH=/usr/bin:/bin\necho "$@" >>{asked}\n'
        f'if [ "$1$(wc -l <{asked})" = create2 ]; then kill -INT $PPID; sleep 1; fi\n'
    )
    kubectl.chmod(0o755)
    many = folder(tmp_path, **{f"file{number}": "x" for number in range(MOST_FILES + 1)})
    plugin = Plugin(f"{kubectl.parent}:{os.environ['PATH']}")
    screen = plugin.on_terminal("create", "app", many, *IMAGE)
    assert (screen.end(), screen.raw) == (130, b"")
    assert asked.read_text().splitlines() == ["create -f -", "create -f -", "delete configmap app-context"]
