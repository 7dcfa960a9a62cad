"""Contexts that are git repositories, from git's own servers."""

import base64
import gc
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.contexts import files, opened
from support.git import WHY_NO_GIT, daemon, git, make_repository, smart_http
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.repository import read_login, read_ref
from yadokari_contract.spec import GitOptions

pytestmark = [
    pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT),
    # dulwich leaves a socket to the garbage collector where a server refuses.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

COMMIT = "0123456789" * 4


@dataclass(frozen=True)
class Served:
    """A repository of two commits, the second with a submodule; `site` is its server's host and port."""

    folder: Path
    site: str
    old: str
    new: str


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Have the sockets collected here, where that is no error, and not in a test that comes later."""
    yield
    gc.collect()


def make_project(place: Path) -> Path:
    make_repository(place / "library.git")
    project = make_repository(place / "project.git")
    (project / "docs").mkdir()
    (project / "docs/page").write_text("page")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "first page")
    git(project, "submodule", "add", "-q", "../library.git", "library")
    (project / "docs/page").write_text("second page")
    git(project, "commit", "-qam", "second")
    return project


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    project = make_project(tmp_path / "served")
    with smart_http(tmp_path / "served") as address:
        site = address.removeprefix("http://")
        yield Served(project, site, git(project, "rev-parse", "HEAD~"), git(project, "rev-parse", "HEAD"))


def test_a_context_is_a_commit_s_files(served: Served, tmp_path: Path) -> None:
    context = opened(f"http://{served.site}/project.git", tmp_path)
    assert context.resolved == served.new
    assert files(context)["docs/page"] == "second page"
    assert not (context.root / ".git").exists()


def test_kaniko_s_form_names_a_ref_and_a_commit(served: Served, tmp_path: Path) -> None:
    location = f"git://{served.site}/project.git#refs/heads/main#{served.old}"
    context = opened(location, tmp_path, environment={"GIT_PULL_METHOD": "http"})
    assert (context.resolved, files(context)) == (served.old, {"docs/page": "page"})


def test_a_folder_may_be_named_in_either_way(served: Served, tmp_path: Path) -> None:
    for location, sub_path in (("#main:docs", ""), ("#main", "docs"), ("?subdir=docs", "")):
        context = opened(f"http://{served.site}/project.git{location}", tmp_path, sub_path)
        assert files(context) == {"page": "second page"}


def test_git_s_own_protocol_is_there_on_demand(tmp_path: Path) -> None:
    make_project(tmp_path / "served")
    with daemon(tmp_path / "served") as address:
        context = opened(f"{address}/project.git", tmp_path, environment={"GIT_PULL_METHOD": "git"})
    assert files(context)["docs/page"] == "second page"


@pytest.mark.parametrize(
    "variables", [{"GIT_TOKEN": "t0ken"}, {"GIT_USERNAME": "u", "GIT_PASSWORD": "t0ken"}]
)
def test_credentials_of_the_environment_open_a_repository_and_are_never_shown(
    tmp_path: Path, variables: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "yadokari_builder")
    make_project(tmp_path / "served")
    given = "t0ken:" if "GIT_TOKEN" in variables else "u:t0ken"
    with smart_http(tmp_path / "served", password=base64.b64encode(given.encode()).decode()) as address:
        context = opened(f"{address}/project.git", tmp_path, environment=variables)
        assert files(context)["docs/page"] == "second page"
        with pytest.raises(ContextError, match="the server wants credentials, or other ones") as caught:
            opened(f"{address}/project.git", tmp_path, environment=dict.fromkeys(variables, "other-t0ken"))
    assert "gets credentials over plain HTTP" in caplog.text
    assert "t0ken" not in str(caught.value) + caplog.text


def test_credentials_are_for_the_server_that_the_context_names_alone(tmp_path: Path) -> None:
    make_repository(tmp_path / "private/library.git")
    project = make_repository(tmp_path / "served/project.git")
    password = base64.b64encode(b"t0ken:").decode()
    with smart_http(tmp_path / "private", password=password) as other:
        git(project, "submodule", "add", "-q", str(tmp_path / "private/library.git"), "library")
        git(project, "config", "-f", ".gitmodules", "submodule.library.url", f"{other}/library.git")
        git(project, "commit", "-qam", "elsewhere")
        with (
            smart_http(tmp_path / "served", password=password) as address,
            pytest.raises(ContextError, match=f"{other}/library.git: the server wants credentials"),
        ):
            opened(f"{address}/project.git", tmp_path, environment={"GIT_TOKEN": "t0ken"})


def test_files_that_git_lfs_keeps_are_told_apart(
    served: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (served.folder / "film").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n")
    git(served.folder, "add", "-A")
    git(served.folder, "commit", "-qm", "film")
    opened(f"http://{served.site}/project.git", tmp_path)
    assert "content that Git LFS keeps is not fetched, its pointers stand in its place: film" in caplog.text


def test_the_git_form_is_read_as_kaniko_reads_it() -> None:
    ref = read_ref("git://host/acme/app", {}, GitOptions())
    assert (ref.remote, ref.ref, ref.submodules) == ("https://host/acme/app", "", False)
    ref = read_ref("git://host/app#refs/pull/3/head", {}, GitOptions(recurse_submodules=True))
    assert (ref.ref, ref.submodules) == ("refs/pull/3/head", True)
    assert read_ref("git://host/app", {"GIT_PULL_METHOD": "http"}, GitOptions()).remote == "http://host/app"
    assert read_ref("git://host/app", {}, GitOptions(branch="side")).ref == "side"


def test_other_forms_are_read_as_buildkit_reads_them() -> None:
    ref = read_ref("https://host/app.git#main:docs", {}, GitOptions())
    assert (ref.remote, ref.ref, ref.subdir, ref.submodules) == ("https://host/app.git", "main", "docs", None)
    assert read_ref("github.com/acme/app", {}, GitOptions()).remote == "https://github.com/acme/app"


@pytest.mark.parametrize(
    ("location", "options", "message"),
    [
        ("git://host/app#main#v1", GitOptions(), "what follows the second # is a commit, in full"),
        (f"git://host/app#main#{COMMIT}#x", GitOptions(), "what follows the second # is a commit"),
        ("https://host/app.git?what=1", GitOptions(), 'unexpected query "what"'),
        ("git://host/app#main", GitOptions(branch="side"), "--git branch=side, but the context says main"),
    ],
)
def test_what_cannot_be_is_refused(location: str, options: GitOptions, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        read_ref(location, {}, options)


def test_a_method_that_is_none_is_refused() -> None:
    with pytest.raises(ContextError, match="GIT_PULL_METHOD is 'ssh': it can be https, http, git"):
        read_ref("git://host/app", {"GIT_PULL_METHOD": "ssh"}, GitOptions())


def test_a_password_does_not_show_where_a_login_is_printed() -> None:
    login = read_login("https://me@host:8443/app.git", {"GIT_USERNAME": "u", "GIT_PASSWORD": "secret"})
    assert login is not None
    assert login.site == "https://host:8443"
    assert "secret" not in repr(login)
