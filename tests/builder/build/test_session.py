"""Whole builds, without a container and without the guard."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.gate import running_gate
from support.git import make_repository, smart_http
from support.layout import Layout
from support.registry import Registry
from support.site import Site, unguarded
from yadokari_builder.build.session import Session
from yadokari_builder.errors import ContextError, DockerfileError, ImageNotFoundError, RunError, UsageError
from yadokari_builder.plan.plan import Plan
from yadokari_contract.results.build import BaseImage


def built(site: Site, dockerfile: str, **fields: object) -> Layout:
    """Build and return the image."""
    layout = site.folder / "layout"
    site.session(dockerfile, {}, oci_layout_path=str(layout), **fields).run()
    return Layout(layout)


def test_a_build_tells_what_came_of_it(site: Site, registry: Registry, name: str) -> None:
    session = site.session(
        "FROM busybox\nRUN echo hello > /greeting\n",
        destinations=(f"{registry.host}/{name}",),
        labels={"a": "b"},
    )
    result = session.run()
    pushed = Layout.pull(f"{registry.host}/{name}", site.folder / "pulled")
    assert result.digest == pushed.digest
    assert result.images == (f"{registry.host}/{name}:latest",)
    assert (result.steps, result.total_steps) == (2, 2)
    assert [phase.name for phase in result.phases] == ["plan", "build", "push"]
    assert result.lodging
    assert 0 < result.lodging.unpacking <= result.phases[1].seconds + 0.01
    assert pushed.config["config"]["Labels"] == {"a": "b"}
    assert pushed.names_in_layers(skip=1) == {"greeting"}


def test_a_build_tells_what_the_names_of_images_stood_for(site: Site, registry: Registry) -> None:
    there = registry.skopeo(
        "inspect", "--format={{.Digest}}", f"docker://{registry.host}/library/busybox"
    ).strip()
    session = site.session(
        "FROM busybox AS a\nFROM missing AS unneeded\n"
        "FROM scratch\nCOPY --from=busybox:latest /bin /b\nCOPY --from=a /bin /a\n"
    )
    assert session.run().bases == (BaseImage("busybox:latest", there),)
    broken = site.session("FROM busybox\nRUN exit 3\n")
    with pytest.raises(RunError):
        broken.run()
    assert broken.progress.bases == (BaseImage("busybox:latest", there),)


def test_the_stage_that_fails_is_told_by_its_name_or_its_number(site: Site) -> None:
    for name, told in (("", "1"), (" AS Tools", "tools")):
        session = site.session(
            f"FROM scratch AS a\nFROM busybox{name}\nRUN exit 3\nFROM scratch\nCOPY --from=1 / /\n"
        )
        with pytest.raises(RunError):
            session.run()
        assert session.progress.stage == told
    whole = site.session("FROM scratch\nCOPY Dockerfile /\n")
    whole.run()
    assert whole.progress.stage == ""


def test_phases_are_timed_by_the_clock(site: Site) -> None:
    ticks: Iterator[float] = iter(range(1000))
    spec = site.spec("FROM scratch\nCMD x\n")
    session = Session(spec, {}, site.root, site.folder, unguarded, clock=lambda: next(ticks))
    assert all(phase.seconds >= 1 for phase in session.run().phases)


def test_the_process_is_guarded_when_all_is_open_and_nothing_is_done(site: Site) -> None:
    seen: list[tuple[Path, int, bool]] = []

    def guard(root: Path, plan: Plan, *_: object) -> None:
        seen.append((root, plan.total_steps, (root / "old").exists()))

    spec = site.spec("FROM scratch\nCOPY Dockerfile /\n")
    (site.root / "old").touch()
    Session(spec, {}, site.root, site.folder, guard).run()
    assert seen == [(site.root, 2, True)]
    assert not (site.root / "old").exists()


def test_a_build_argument_without_a_value_is_the_environments(site: Site) -> None:
    dockerfile = "FROM scratch\nARG given\nARG named\nARG other=default\nENV A=$given B=$named C=$other\n"
    layout = site.folder / "layout"
    arguments = {"given": "1", "named": None, "other": None}
    site.session(
        dockerfile, {"named": "2", "B": "no"}, build_args=arguments, oci_layout_path=str(layout)
    ).run()
    assert Layout(layout).config["config"]["Env"][1:] == ["A=1", "B=2", "C=default"]


def test_two_builds_at_different_times_make_the_same_image_where_it_is_to_be_reproducible(
    site: Site, tmp_path: Path
) -> None:
    dockerfile = "FROM busybox\nRUN echo hello > /greeting\nCOPY Dockerfile /\nENV A=b\n"
    digests = []
    for number in range(2):
        other = Site(tmp_path / str(number), site.registry)
        digests.append(other.session(dockerfile, {"SOURCE_DATE_EPOCH": "1700000000"}).run().digest)
    assert digests[0] == digests[1]
    assert other.session(dockerfile).run().digest != digests[0]


def test_a_commit_gives_the_image_its_time(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "served" / "app"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(
        "FROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL t=$SOURCE_DATE_EPOCH\nCOPY Dockerfile /\n"
    )
    make_repository(folder)
    layout = site.folder / "layout"
    with smart_http(tmp_path / "served") as address:
        where = f"git://{address.removeprefix('http://')}/app/.git"
        method = {"GIT_PULL_METHOD": "http"}
        site.session("", method, context=where, source_date=True, oci_layout_path=str(layout)).run()
    config = Layout(layout).config
    assert (config["created"], config["config"]["Labels"]) == ("2001-09-09T01:46:40Z", {"t": "1000000000"})


def test_a_context_that_has_no_time_gives_none(site: Site) -> None:
    session = site.session("FROM scratch\n", source_date=True)
    with pytest.raises(UsageError, match=r"--source-date: the context .* has no time: only a commit"):
        session.run()


def test_times_that_are_not_later_than_the_given_one_stay(site: Site) -> None:
    layout = built(site, "FROM busybox\nENV A=b\n", build_args={"SOURCE_DATE_EPOCH": "1700000000"})
    assert layout.config["created"] == "2023-11-14T22:13:20Z"
    assert [step["created"] for step in layout.config["history"]] == [
        "2024-05-01T12:00:00Z",
        "2023-11-14T22:13:20Z",
    ]


def test_what_stood_in_the_root_is_in_no_image(site: Site) -> None:
    (site.root / "etc").mkdir(parents=True)
    (site.root / "etc/leaked").write_text("from the executor's own image")
    assert built(site, "FROM scratch\nCOPY Dockerfile /\n").names_in_layers() == {"Dockerfile"}
    assert not (site.root / "etc").exists()


def test_a_context_in_the_root_is_brought_to_safety(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    spec = site.spec("FROM busybox\nCOPY . /copied\nRUN rm -r /own\n")
    site.context.rename(site.root / "own")
    (site.root / "own/file").write_text("mine")
    session = Session(replace(spec, context=str(site.root / "own")), {}, site.root, site.folder, unguarded)
    with pytest.raises(RunError, match="exit code: 1"):
        session.run()
    assert (site.root / "copied/file").read_text() == "mine"
    assert (
        f"the build context would be deleted: it is now in {site.root}/yadokari/work/contexts" in caplog.text
    )


def test_kanikos_link_is_back_when_a_build_has_failed(site: Site) -> None:
    session = site.session("FROM busybox\nRUN test ! -e /kaniko\nRUN exit 1\n")
    (site.root / "kaniko").symlink_to("yadokari")
    with pytest.raises(RunError):
        session.run()
    assert session.progress.done == 2
    assert (site.root / "kaniko").is_symlink()


def test_an_image_to_copy_from_is_looked_for_before_the_first_step(
    site: Site, registry: Registry, name: str
) -> None:
    session = site.session(
        f"FROM busybox\nRUN echo built > /built\nCOPY --from={registry.host}/{name}/missing /a /\n"
    )
    with pytest.raises(ImageNotFoundError) as caught:
        session.run()
    assert caught.value.line == 3
    assert session.progress.done == 0
    assert not (site.root / "built").exists()


@pytest.mark.parametrize(
    ("dockerfile", "fields", "error", "message"),
    [
        ("FROM scratch\nCMD x\n", {"no_push": False}, UsageError, "no --destination"),
        ("FROM scratch\nRUNN x\n", {}, DockerfileError, "unknown instruction: RUNN"),
        ("FROM scratch\nCMD x\n", {"dockerfile": "missing"}, ContextError, "open missing"),
        ("FROM scratch\nCMD x\n", {"context": "/missing"}, ContextError, "/missing does not exist"),
        ("FROM scratch\nCMD x\n", {"targets": ("missing",)}, DockerfileError, "could not be found"),
        (
            "FROM scratch\nCMD x\n",
            {"custom_platform": "windows/amd64"},
            UsageError,
            "images are built for linux",
        ),
        ("FROM scratch\nCMD x\n", {"custom_platform": "a/b/c/d"}, UsageError, "cannot parse platform"),
        ("FROM scratch\nCMD x\n", {"compression_level": 99}, UsageError, "--compression-level is 99"),
        (
            "FROM scratch\nCMD x\n",
            {"build_args": {"SOURCE_DATE_EPOCH": "x"}},
            UsageError,
            "SOURCE_DATE_EPOCH",
        ),
        ("FROM scratch\nCMD x\n", {"secrets": ("id=a,src=/missing",)}, UsageError, "/missing"),
    ],
)
def test_what_cannot_be_built_leaves_the_root_as_it_is(
    site: Site, dockerfile: str, fields: dict[str, object], error: type[Exception], message: str
) -> None:
    session = site.session(dockerfile, {}, **fields)
    (site.root / "old").touch()
    with pytest.raises(error, match=message):
        session.run()
    assert (site.root / "old").exists()
    assert session.progress.done == 0


def test_a_dry_run_touches_nothing_and_asks_for_no_layer(site: Site, registry: Registry) -> None:
    with running_gate(registry.host) as gate:
        session = site.session(f"FROM {gate.host}/library/busybox\nRUN false\n")
        (site.root / "old").touch()
        draft = session.dry_run()
        assert draft.plan
        assert draft.plan.total_steps == 2
        assert gate.count("GET", "/blobs/") == 1, "that of the config"
    assert [path.name for path in site.root.iterdir()] == ["old"]


def test_a_dry_run_brings_no_context_to_safety(site: Site) -> None:
    spec = site.spec("FROM scratch\nCOPY . /\n")
    site.context.rename(site.root / "own")
    spec = replace(spec, context=str(site.root / "own"))
    assert Session(spec, {}, site.root, site.folder, unguarded).dry_run().plan
    assert (site.root / "own/Dockerfile").exists()


def test_warnings_of_the_dockerfile_are_told(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.session("FROM scratch AS Upper\nCMD x\n", {}, build_args={"unused": "1"}).run()
    assert "StageNameCasing: Stage name 'Upper' should be lowercase (line 1)" in caplog.messages
    assert "One or more build-args [unused] were not consumed" in caplog.messages


def test_a_layer_is_written_as_it_is_asked_for(site: Site) -> None:
    layout = built(site, "FROM scratch\nCOPY Dockerfile /\n", compression="zstd")
    assert layout.manifest["layers"][0]["mediaType"].endswith("+zstd")
    index = json.loads((layout.folder / "index.json").read_text())
    assert len(index["manifests"]) == 1


def test_stages_are_built_beside_the_image_where_several_are_asked_for(site: Site) -> None:
    text = (
        "FROM busybox AS app\nRUN echo app > /made\n"
        "FROM app AS check\nRUN grep app /made && echo checked > /made\n"
        "FROM busybox AS other\nRUN exit 1\n"
    )
    session = site.session(text, targets=("app", "check"), oci_layout_path=str(site.folder / "layout"))
    assert session.run().steps == 4
    assert (site.root / "made").read_text() == "checked\n"
    layout = Layout(site.folder / "layout")
    assert [step["created_by"] for step in layout.config["history"]][-1].startswith("RUN /bin/sh -c echo app")
    with pytest.raises(RunError):
        site.session(text, targets=("app", "other")).run()


def test_all_files_of_the_image_are_left_in_the_root_where_that_is_asked_for(site: Site) -> None:
    for materialize in (False, True):
        site.session("FROM busybox\nCMD x\n", materialize=materialize).run()
        assert (site.root / "bin/busybox").exists() == materialize


def test_an_image_is_for_the_platform_that_is_asked_for(site: Site) -> None:
    layout = site.folder / "layout"
    site.session("FROM scratch\nCMD x\n", custom_platform="linux/arm/v6", oci_layout_path=str(layout)).run()
    config = Layout(layout).config
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm", "v6")
