import logging
import os
from pathlib import Path

import pytest

from yadokari_builder.dockerfile.instructions import Mount
from yadokari_builder.errors import RunError
from yadokari_builder.plan.steps import ContextSource, Source, StageSource
from yadokari_builder.run.caches import CacheKey, CacheStore, Fill
from yadokari_builder.run.mounts import BindMount, CacheMount, FileMount, TmpfsMount
from yadokari_builder.run.requests import Mounts, Provisions, answer
from yadokari_builder.run.secrets import Secrets
from yadokari_builder.run.ssh import Agents, SshMount


def no_fill(place: str) -> None:
    os.mkdir(place)


class Wanted:
    """Answers requests and keeps which files were asked for."""

    def __init__(self, tmp_path: Path) -> None:
        self.files: list[tuple[Source, str]] = []
        self.caches = CacheStore(str(tmp_path))

    def fill(self, source: Source, path: str) -> Fill:
        self.files.append((source, path))
        return no_fill

    def __call__(self, mount: Mount, source: Source | None = None, *more: Mount) -> Mounts:
        provisions = Provisions(
            self.fill, str, self.caches, Secrets({"token": b"value"}), Agents({"default": "/agent"})
        )
        return answer([(mount, source), *((other, None) for other in more)], "/work", provisions)


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    return Wanted(tmp_path)


def test_a_bind_mount_has_the_context_at_a_target_below_the_working_directory(wanted: Wanted) -> None:
    answered = wanted(Mount(source="../src/./x", target="in/"), ContextSource())
    assert answered.mounts == [BindMount("/work/in", no_fill)]
    assert wanted.files == [(ContextSource(), "/src/x")]


def test_a_cache_is_named_by_its_target_or_id(wanted: Wanted) -> None:
    for mount, key in (
        (Mount("cache", target="/c/"), CacheKey("/c")),
        (Mount("cache", target="/c", id="x"), CacheKey("x")),
        (Mount("cache", target="/c", uid=1, gid=2, mode=0o700), CacheKey("/c", "", 1, 2, 0o700)),
    ):
        assert wanted(mount).mounts == [CacheMount("/c", key, wanted.caches)]


def test_a_cache_begins_with_the_files_of_its_source(wanted: Wanted) -> None:
    answered = wanted(Mount("cache", target="/c", source="/sub"), StageSource(1))
    key = CacheKey("/c", "StageSource(index=1):/sub")
    assert answered.mounts == [CacheMount("/c", key, wanted.caches, no_fill)]
    assert wanted.files == [(StageSource(1), "/sub")]


def test_a_cache_with_an_owner_and_a_whole_source_begins_empty(wanted: Wanted) -> None:
    wanted(Mount("cache", target="/c", uid=5), StageSource(1))
    assert wanted.files == []


def test_a_tmpfs_tells_that_its_size_is_not_enforced(
    wanted: Wanted, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert wanted(Mount("tmpfs", target="/t", size=4096)).mounts == [TmpfsMount("/t")]
    assert "the size is not enforced" in caplog.text


@pytest.mark.parametrize(
    ("mount", "target", "environment"),
    [
        (Mount("secret", id="token"), "/run/secrets/token", {}),
        (Mount("secret", source="token"), "/run/secrets/token", {}),
        (Mount("secret", target="/etc/token"), "/etc/token", {}),
        (Mount("secret", id="token", env="TOKEN"), "", {"TOKEN": "value"}),
        (Mount("secret", id="token", env=""), "", {"token": "value"}),
        (Mount("secret", id="token", env="T", target="/x"), "/x", {"T": "value"}),
    ],
)
def test_a_secret_is_a_file_or_a_variable_or_both(
    wanted: Wanted, mount: Mount, target: str, environment: dict[str, str]
) -> None:
    answered = wanted(mount)
    assert answered.mounts == ([FileMount(target, b"value")] if target else [])
    assert answered.environment == environment
    assert "value" not in repr(answered)


def test_a_secret_that_is_missing_fails_only_if_it_is_required(wanted: Wanted) -> None:
    assert wanted(Mount("secret", id="other")) == Mounts()
    with pytest.raises(RunError, match="secret other: not found"):
        wanted(Mount("secret", id="other", required=True))


def test_the_first_agent_is_the_one_that_programs_find(wanted: Wanted) -> None:
    answered = wanted(Mount("ssh"), None, Mount("ssh", mode=0o666, uid=3), Mount("ssh", target="/a"))
    assert answered.environment == {"SSH_AUTH_SOCK": "/run/buildkit/ssh_agent.0"}
    assert answered.mounts == [
        SshMount("/run/buildkit/ssh_agent.0", "/agent"),
        SshMount("/run/buildkit/ssh_agent.1", "/agent", 3, 0, 0o666),
        SshMount("/a", "/agent"),
    ]


def test_an_agent_that_is_missing_fails_only_if_it_is_required(wanted: Wanted) -> None:
    assert wanted(Mount("ssh", id="other")).mounts == []
    with pytest.raises(RunError, match='no SSH key "other" forwarded'):
        wanted(Mount("ssh", id="other", required=True))
