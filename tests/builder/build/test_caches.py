"""Caches of RUN steps, from one build to the next in another pod."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.gate import running_gate
from support.handmade import make_image, push
from support.registry import Registry
from support.site import Site
from yadokari_builder.errors import ContextError, RunError, UsageError

MOUNT = "--mount=type=cache,target=/cache"
Run = Callable[..., str]


@pytest.fixture
def run(stocked_registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Run:
    """Runs builds, each in a pod of its own; gives the lines that they logged, a newline around each."""
    numbers = iter(range(100))
    caplog.set_level(logging.INFO)

    def build(text: str, environment: dict[str, str] | None = None, **fields: Any) -> str:
        site = Site(tmp_path / f"pod{next(numbers)}", stocked_registry.host)
        caplog.clear()
        site.session(f"FROM busybox\n{text}", environment or {}, **fields).run()
        return "\n".join(["", *caplog.messages, ""])

    return build


@pytest.fixture(params=["dir", "repo"])
def kept(request: pytest.FixtureRequest, registry: Registry, name: str, tmp_path: Path) -> dict[str, str]:
    """The flag that says where caches are kept."""
    if request.param == "dir":
        return {"cache_mounts_dir": str(tmp_path / "volume")}
    return {"cache_mounts_repo": f"{registry.host}/caches/{name}"}


def test_the_next_build_in_another_pod_has_the_caches_of_the_last_one(
    run: Run, kept: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    text = f"RUN {MOUNT} {MOUNT}2,sharing=locked echo there: $(cat /cache/* /cache2/*); echo x >> /cache/a\n"
    text += "RUN --mount=type=cache,target=/cache2,sharing=locked echo y >> /cache2/b\n"
    run(text, **kept)
    assert "there: x y" in run(text, **kept)
    assert "there: x x y y" in run(text, **kept)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_builds_of_another_scope_have_other_caches(run: Run, kept: dict[str, str]) -> None:
    text = f"RUN {MOUNT} ls /cache; touch /cache/found\n"
    run(text, **kept, cache_mounts_scope="main")
    assert "found" not in run(text, **kept, cache_mounts_scope="pr-7").partition("STEP 2/2")[2].splitlines()
    assert "\nfound\n" in run(text, **kept, cache_mounts_scope="main")


def test_an_argument_names_the_namespace_of_caches_without_being_declared(
    run: Run, kept: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    text = f"RUN {MOUNT} ls /cache; touch /cache/found; ! env | grep BUILDKIT_\n"

    def build(namespace: str) -> str:
        return run(text, **kept, build_args={"BUILDKIT_CACHE_MOUNT_NS": namespace})

    build("one")
    assert "\nfound\n" not in build("two")
    assert "\nfound\n" in build("one")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_build_that_fails_keeps_what_its_steps_have_put_into_caches(run: Run, kept: dict[str, str]) -> None:
    with pytest.raises(RunError):
        run(f"RUN {MOUNT} touch /cache/found\nRUN false\n", **kept)
    assert "\nfound\n" in run(f"RUN {MOUNT} ls /cache\n", **kept)


def test_a_cache_that_begins_with_files_of_a_stage_is_one_of_these_files(
    run: Run, kept: dict[str, str]
) -> None:
    def text(content: str) -> str:
        seed = (
            f"RUN mkdir /seed; touch -d @1 /seed; echo {content} > /seed/file; touch -d @$RANDOM /seed/file\n"
        )
        mount = "--mount=type=cache,target=/cache,from=seed,source=/seed"
        step = f"RUN {mount} cat /cache/*; echo more > /cache/x\n"
        return f"FROM busybox AS seed\n{seed}FROM busybox\n{step}"

    assert "\none\n" in run(text("one"), **kept)
    assert "\none\nmore\n" in run(text("one"), **kept)
    assert "\nmore\n" not in run(text("two"), **kept)


def test_a_cache_that_begins_with_files_that_are_not_there_fails_as_with_buildkit(run: Run) -> None:
    with pytest.raises(ContextError, match='"/nowhere": not found'):
        run(f"FROM busybox AS seed\nFROM busybox\nRUN {MOUNT},from=seed,source=/nowhere true\n")


def test_an_image_is_not_fetched_for_a_cache_that_is_there(
    run: Run, kept: dict[str, str], registry: Registry, name: str, tmp_path: Path
) -> None:
    made = make_image(tmp_path / "made", {"seed/file": b"seeded\n"})
    with running_gate(registry.host) as gate:
        push(made, f"{gate.host}/{name}/seed")
        text = f"RUN {MOUNT},from={gate.host}/{name}/seed,source=/seed cat /cache/*; echo more > /cache/x\n"
        digest = made.image.layers[0].descriptor.digest
        assert "\nseeded\n" in run(text, **kept)
        assert gate.count("GET", f"/blobs/{digest}") == 1
        assert "\nseeded\nmore\n" in run(text, **kept)
        assert gate.count("GET", f"/blobs/{digest}") == 1


def test_a_step_that_is_taken_from_the_cache_fetches_no_caches(
    run: Run, registry: Registry, name: str
) -> None:
    text = f"RUN {MOUNT} echo x >> /cache/a\nRUN --mount=type=cache,target=/other touch /other/{{}}\n"
    with running_gate(registry.host) as gate:
        kept = {
            "cache_mounts_repo": f"{gate.host}/caches/{name}",
            "cache_repo": f"{registry.host}/{name}/steps",
            "cache": True,
        }
        run(text.format("a"), **kept)
        gate.passed.clear()
        run(text.format("a"), **kept)
        assert gate.passed == []
        run(text.format("b"), **kept)
        assert gate.count("GET", "/manifests/mount-cache-") == 0
        assert gate.count("GET", "/manifests/mount-other-") == 1


def test_a_secret_that_a_step_leads_into_a_cache_is_not_kept(run: Run, kept: dict[str, str]) -> None:
    secret = "--mount=type=secret,id=s,target=/cache/secret"
    for lead in ("mv", "ln"):
        with pytest.raises(RunError, match="moved or linked a mount's content elsewhere"):
            run(
                f"RUN {MOUNT} {secret} {lead} /cache/secret /cache/stolen-{lead}\n",
                {"S": "hidden"},
                secrets=("id=s,env=S",),
                **kept,
            )
    log = run(f"RUN {MOUNT} ls /cache; cat /cache/*; echo end\n", **kept)
    assert "\nstolen-ln\nstolen-mv\nend\n" in log


def test_a_cache_that_a_step_has_written_a_secret_into_is_not_kept(run: Run, kept: dict[str, str]) -> None:
    step = f"RUN {MOUNT} --mount=type=secret,id=s cp /run/secrets/s /cache/copied; touch /cache/other\n"
    log = run(step, {"S": "quite hidden"}, secrets=("id=s,env=S",), **kept)
    why = "the value of the secret s is in it, in /copied"
    assert f"\nthe cache /cache is not kept for other builds: {why}\n" in log
    assert "copied" not in run(f"RUN {MOUNT} echo $(ls /cache)\n", **kept)


def test_a_registry_that_is_down_costs_one_warning_and_no_build(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    text = f"RUN {MOUNT} {MOUNT}2 touch /cache/a /cache2/b\nRUN {MOUNT} ls /cache\n"
    assert "\na\n" in run(text, cache_mounts_repo="127.0.0.1:1/caches")
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_a_volume_that_cannot_be_had_costs_one_warning_and_no_build(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    text = f"RUN {MOUNT} touch /cache/a\nRUN {MOUNT} ls /cache\n"
    assert "\na\n" in run(text, cache_mounts_dir=str(tmp_path / "file/below"))
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_what_is_kept_elsewhere_is_not_left_to_the_next_build_in_the_same_container(
    site: Site, tmp_path: Path
) -> None:
    text = f"FROM busybox\nRUN {MOUNT} ls /cache > /found; touch /cache/file\n"
    for scope in ("main", "other"):
        site.session(text, cache_mounts_dir=str(tmp_path / "volume"), cache_mounts_scope=scope).run()
        assert (site.root / "found").read_text() == ""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cache_mounts_dir": "/x", "cache_mounts_repo": "a/b"}, "name two places: give one of them"),
        ({"cache_mounts_scope": "x"}, "--cache-mounts-scope needs a place"),
        ({"cache_mounts_repo": "registry.example.com/caches:latest"}, "has characters or separators"),
        ({"cache_mounts_repo": "registry.example.com/Caches"}, "--cache-mounts-repo: .* must be lower case"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(run: Run, fields: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("RUN true\n", **fields)


def test_a_folder_in_the_root_itself_is_refused(site: Site) -> None:
    folder = str(site.root / "caches")
    with pytest.raises(UsageError, match=f"--cache-mounts-dir {folder} is no volume"):
        site.session("FROM busybox\nRUN true\n", cache_mounts_dir=folder).run()
    assert not os.path.exists(folder)
