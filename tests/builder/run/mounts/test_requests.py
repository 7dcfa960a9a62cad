import os
from pathlib import Path

import pytest

from yadokari_builder.errors import RunError
from yadokari_builder.plan.steps import (
    BindRequest,
    CacheRequest,
    ContextSource,
    MountRequest,
    SecretRequest,
    Source,
    SshRequest,
    StageSource,
    TmpfsRequest,
)
from yadokari_builder.run.mounts.caches import CacheKey, CacheStore, CacheUse, Fill
from yadokari_builder.run.mounts.files import SecretMount
from yadokari_builder.run.mounts.mounted import BindMount, CacheMount, TmpfsMount
from yadokari_builder.run.mounts.requests import Mounts, Provisions, answer
from yadokari_builder.run.mounts.secrets import Secrets
from yadokari_builder.run.mounts.ssh import Agents, SshMount


def no_fill(place: str) -> None:
    os.mkdir(place)


def named(source: Source, path: str) -> str:
    return f"{source}:{path}"


class Wanted:
    """Answers requests and keeps which files were asked for."""

    def __init__(self, tmp_path: Path) -> None:
        self.files: list[tuple[Source, str]] = []
        self.caches = CacheStore(str(tmp_path))

    def fill(self, source: Source, path: str) -> Fill:
        self.files.append((source, path))
        return no_fill

    def __call__(self, *requests: MountRequest, apart: bool = False) -> Mounts:
        provisions = Provisions(
            self.fill,
            named,
            self.caches,
            Secrets({"token": b"value"}),
            Agents({"default": "/agent"}),
            apart,
        )
        return answer(requests, provisions)


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    return Wanted(tmp_path)


def test_a_bind_mount_has_the_files_of_its_source(wanted: Wanted) -> None:
    answered = wanted(BindRequest("/work/in", ContextSource(), "/src/x"))
    assert answered.mounts == [BindMount("/work/in", no_fill)]
    assert wanted.files == [(ContextSource(), "/src/x")]


def test_a_cache_is_kept_by_its_id_and_owner(wanted: Wanted) -> None:
    answered = wanted(CacheRequest("/c", "x", uid=1, gid=2, mode=0o700, sharing="locked"))
    key = CacheKey("x", "", 1, 2, 0o700)
    assert answered.mounts == [CacheMount("/c", key, wanted.caches)]
    assert answered.caches == [CacheUse(key, "locked")]


def test_a_cache_begins_with_the_files_of_its_source_which_are_looked_for_when_it_does(
    wanted: Wanted, tmp_path: Path
) -> None:
    (mount,) = wanted(CacheRequest("/c", "/c", StageSource(1), "/sub", is_filled=True)).mounts
    assert isinstance(mount, CacheMount)
    assert mount.key == CacheKey("/c", "StageSource(index=1):/sub")
    assert mount.fill is not None
    assert wanted.files == []
    mount.fill(str(tmp_path / "made"))
    assert wanted.files == [(StageSource(1), "/sub")]
    assert (tmp_path / "made").is_dir()


def test_a_cache_that_is_not_filled_is_one_of_its_source_all_the_same(wanted: Wanted) -> None:
    (mount,) = wanted(CacheRequest("/c", "/c", StageSource(1), uid=5)).mounts
    assert isinstance(mount, CacheMount)
    assert mount.key.content == "StageSource(index=1):/"
    assert wanted.files == []


def test_a_tmpfs_has_its_size(wanted: Wanted) -> None:
    assert wanted(TmpfsRequest("/t", 4096)).mounts == [TmpfsMount("/t", 4096)]


def test_what_is_to_be_read_only_is_told(wanted: Wanted) -> None:
    bind, cache = wanted(
        BindRequest("/b", ContextSource(), readonly=False), CacheRequest("/c", "/c", readonly=True)
    ).mounts
    assert isinstance(bind, BindMount)
    assert isinstance(cache, CacheMount)
    assert (bind.readonly, cache.readonly) == (False, True)


def test_a_cache_that_a_step_can_write_all_the_same_is_warned_of(
    wanted: Wanted, caplog: pytest.LogCaptureFixture
) -> None:
    wanted(CacheRequest("/a", "/a", readonly=True), apart=True)
    wanted(CacheRequest("/b", "/b"), BindRequest("/d", ContextSource()))
    assert not caplog.records
    wanted(CacheRequest("/c", "/c", readonly=True))
    assert [record.getMessage() for record in caplog.records] == [
        "RUN --mount=type=cache,target=/c: it can be written at level shared, though it is readonly, and what"
        " is written stays"
    ]


@pytest.mark.parametrize(
    ("target", "variable"), [("/run/secrets/token", ""), ("", "TOKEN"), ("/etc/token", "TOKEN")]
)
def test_a_secret_is_a_file_or_a_variable_or_both(wanted: Wanted, target: str, variable: str) -> None:
    answered = wanted(SecretRequest("token", target, variable))
    assert answered.mounts == ([SecretMount(target, b"value")] if target else [])
    assert answered.environment({variable: "own"}) == {variable: "value" if variable else "own"}
    assert "value" not in repr(answered)


def test_a_secret_that_is_missing_fails_only_if_it_is_required(wanted: Wanted) -> None:
    assert wanted(SecretRequest("other", "/other")) == Mounts()
    with pytest.raises(RunError, match="secret other: not found"):
        wanted(SecretRequest("other", "/other", required=True))


def test_the_first_agent_is_the_one_that_programs_find(wanted: Wanted) -> None:
    answered = wanted(SshRequest("/a"), SshRequest("/b", uid=3, mode=0o666))
    assert answered.environment({"A": "b"}) == {"A": "b", "SSH_AUTH_SOCK": "/a"}
    assert answered.mounts == [SshMount("/a", "/agent"), SshMount("/b", "/agent", 3, 0, 0o666)]


def test_an_agent_of_the_image_s_environment_is_the_one_that_programs_find(wanted: Wanted) -> None:
    assert wanted(SshRequest("/a")).environment({"SSH_AUTH_SOCK": "/own"}) == {"SSH_AUTH_SOCK": "/own"}


def test_a_variable_is_empty_where_its_secret_is_missing(wanted: Wanted) -> None:
    answered = wanted(SecretRequest("other", "/other", "OTHER"))
    assert answered.mounts == []
    assert answered.environment({"OTHER": "own"}) == {"OTHER": ""}


def test_an_agent_that_is_missing_fails_only_if_it_is_required(wanted: Wanted) -> None:
    assert wanted(SshRequest("/a", "other")).mounts == []
    with pytest.raises(RunError, match='no SSH key "other" forwarded'):
        wanted(SshRequest("/a", "other", required=True))
