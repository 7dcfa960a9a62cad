import os
from collections.abc import Callable
from pathlib import Path

import pytest

from yadokari_builder.errors import ContextError
from yadokari_builder.sources.context import Context
from yadokari_builder.sources.dockerfile import read_dockerfile


@pytest.fixture
def context(tmp_path: Path) -> Context:
    root = tmp_path / "context"
    root.mkdir()
    root.joinpath("Dockerfile").write_bytes(b"FROM context\n")
    return Context(root)


def test_a_dockerfile_is_looked_for_here_and_then_in_the_context(tmp_path: Path, context: Context) -> None:
    assert read_dockerfile("Dockerfile", context, cwd=tmp_path).content == b"FROM context\n"
    tmp_path.joinpath("Dockerfile").write_bytes(b"FROM here\n")
    assert read_dockerfile("Dockerfile", context, cwd=tmp_path).content == b"FROM here\n"


def test_a_dockerfile_may_have_an_absolute_path(tmp_path: Path, context: Context) -> None:
    path = str(context.root / "Dockerfile")
    text = read_dockerfile(path, context, cwd=tmp_path)
    assert (text.content, text.name, text.ignore) == (b"FROM context\n", "Dockerfile", "")


def test_a_dockerfile_outside_of_the_context_is_called_by_its_name(tmp_path: Path, context: Context) -> None:
    (tmp_path / "elsewhere.Dockerfile").write_text("FROM a")
    path = str(tmp_path / "elsewhere.Dockerfile")
    assert read_dockerfile(path, context, cwd=tmp_path).name == "elsewhere.Dockerfile"


def test_the_dockerfile_s_own_ignore_file_comes_first(tmp_path: Path, context: Context) -> None:
    context.root.joinpath(".dockerignore").write_text("general\n")
    text = read_dockerfile("Dockerfile", context, cwd=tmp_path)
    assert (text.ignore, text.ignore_name) == ("general\n", ".dockerignore")
    context.root.joinpath("Dockerfile.dockerignore").write_text("special\n")
    text = read_dockerfile("Dockerfile", context, cwd=tmp_path)
    assert (text.ignore, text.ignore_name) == ("special\n", "Dockerfile.dockerignore")


def test_a_dockerfile_that_is_not_there_is_an_error(tmp_path: Path, context: Context) -> None:
    with pytest.raises(ContextError, match="failed to read dockerfile: open gone: no such file or directory"):
        read_dockerfile("gone", context, cwd=tmp_path)
    with pytest.raises(ContextError, match=r"the Dockerfile \. is a folder"):
        read_dockerfile(".", context, cwd=tmp_path)


def test_a_file_that_may_have_been_meant_is_named_if_the_context_has_it(
    tmp_path: Path, context: Context
) -> None:
    (context.root / "docker").mkdir()
    (context.root / "docker/dockerfile").touch()
    with pytest.raises(ContextError, match=r"no such file or directory \(did you mean dockerfile\?\)"):
        read_dockerfile("docker/Dockerfile", context, cwd=tmp_path)
    (tmp_path / "secret").touch()
    (context.root / "out").symlink_to(tmp_path)
    with pytest.raises(ContextError, match=r"no such file or directory$"):
        read_dockerfile("out/secre", context, cwd=tmp_path)


def test_a_dockerfile_by_url_is_not_supported(tmp_path: Path, context: Context) -> None:
    with pytest.raises(ContextError, match="a URL, which is not supported in this version"):
        read_dockerfile("https://example.com/Dockerfile", context, cwd=tmp_path)


@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore"])
@pytest.mark.parametrize(
    "make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)], ids=["folder", "pipe", "link"]
)
def test_an_ignore_file_that_is_none_is_refused(
    tmp_path: Path, context: Context, name: str, make: Callable[[Path], None]
) -> None:
    make(context.root / name)
    with pytest.raises(ContextError, match=f"the ignore file {name} is no file: make it one, or remove it"):
        read_dockerfile("Dockerfile", context, cwd=tmp_path)


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_a_link_out_of_the_context_is_refused(tmp_path: Path, context: Context, name: str) -> None:
    tmp_path.joinpath("secret").write_text("secret")
    context.root.joinpath(name).unlink(missing_ok=True)
    context.root.joinpath(name).symlink_to(tmp_path / "secret")
    with pytest.raises(ContextError, match="leads out of the build context"):
        read_dockerfile(str(context.root / "Dockerfile"), context, cwd=tmp_path)


def test_a_link_within_the_context_is_followed(tmp_path: Path, context: Context) -> None:
    context.root.joinpath("Other").symlink_to("Dockerfile")
    assert read_dockerfile("Other", context, cwd=tmp_path).content == b"FROM context\n"
