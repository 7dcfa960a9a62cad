"""Layers of whole builds: the same each time, as few and as large as asked for, within bounds of memory."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from support.layout import Layout
from support.pod import Bind, PodResult, run_pod, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

MEGABYTE = 1_000_000
# Two names of one inode, times of the moment, a link, an attribute, a deletion: what could differ.
STEPS = """\
FROM busybox
WORKDIR /work
RUN echo a > one && ln one two && ln -s two three && mkdir -p deep/er && touch deep/er/file
COPY . /copied
RUN rm two && echo more >> /copied/file
"""


def build(folder: Path, dockerfile: str, *arguments: str, env: dict[str, str] | None = None) -> PodResult:
    context, out = folder / "context", folder / "out"
    for made in (context, out):
        made.mkdir(exist_ok=True, parents=True)
    (context / "Dockerfile").write_text(dockerfile)
    (context / "file").write_text("from the context")
    result = run_pod(
        [f"--context=dir://{context}", "--no-push", f"--oci-layout-path={out}/image", *arguments],
        binds=[Bind(str(context)), Bind(str(out), writable=True)],
        env=env,
    )
    assert result.exit_code == 0, result.output
    return result


def image(folder: Path) -> Layout:
    return Layout(folder / "out/image")


@pytest.mark.parametrize(
    ("arguments", "env"), [(["--reproducible"], {}), ([], {"SOURCE_DATE_EPOCH": "1700000000"})]
)
def test_a_reproducible_build_gives_the_same_digest_in_every_pod(
    tmp_path: Path, arguments: list[str], env: dict[str, str]
) -> None:
    for place in ("first", "second"):
        build(tmp_path / place, STEPS, *arguments, env=env)
    first, second = image(tmp_path / "first"), image(tmp_path / "second")
    assert first.digest == second.digest
    assert first.config["created"] in ("1970-01-01T00:00:00Z", "2023-11-14T22:13:20Z")


def test_a_reproducible_build_leaves_the_bases_layers_what_they_are(tmp_path: Path) -> None:
    build(tmp_path / "plain", "FROM busybox\nLABEL a=b\n")
    build(tmp_path / "reproducible", "FROM busybox\nRUN touch /new\n", "--reproducible")
    base, built = image(tmp_path / "plain"), image(tmp_path / "reproducible")
    assert built.layer_digests[:-1] == base.layer_digests


def test_a_single_snapshot_is_one_layer_with_what_the_steps_have_left(tmp_path: Path) -> None:
    build(tmp_path / "steps", STEPS)
    build(tmp_path / "single", STEPS, "--single-snapshot")
    steps, single = image(tmp_path / "steps"), image(tmp_path / "single")
    assert (len(steps.layer_digests), len(single.layer_digests)) == (5, 2)
    assert single.names_in_layers(1) == steps.names_in_layers(1) - {"work/two", "work/.wh.two"}
    assert [entry.get("empty_layer", False) for entry in single.config["history"][-4:]] == [
        True, True, True, False,
    ]  # fmt: skip


def test_a_layer_holds_what_its_own_step_has_left_whatever_the_next_one_does(tmp_path: Path) -> None:
    result = build(
        tmp_path,
        "FROM busybox\n"
        "RUN mkdir /d && head -c 9000000 /dev/urandom > /d/random && yes first | head -c 9000000 > /d/yes\n"
        "COPY file /d/yes\n"
        "RUN md5sum /d/random > /sum && echo second > /d/random && mv /d/yes /d/no && rm -r /d\n",
    )
    assert "STEP 2/4: layer of 9." in result.output
    first, copied, last = list(image(tmp_path).layers())[-3:]
    assert content(first, "d/yes") == b"first\n" * 1_500_000
    assert hashlib.md5(content(first, "d/random")).hexdigest() in content(last, "sum").decode()
    assert content(copied, "d/yes") == b"from the context"


def content(layer: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        file = archive.extractfile(name)
        assert file
        return file.read()


def test_owners_and_modes_that_were_so_before_put_nothing_into_a_layer(tmp_path: Path) -> None:
    build(
        tmp_path,
        "FROM debian:bookworm\nCOPY --chown=1:1 . /work/\n"
        "RUN chown -R 1:1 /work && chown root:root /usr/share /usr/share/* && chmod u+r /bin/ls\n"
        "RUN ln /bin/ls /bin/list && chmod u+r /bin/cat /bin/ls\n",
    )
    # A new name of a file comes with the old one, so that both are one file.
    assert image(tmp_path).names_in_layers(1) == {
        "work", "work/Dockerfile", "work/file", "usr", "usr/bin", "usr/bin/list", "usr/bin/ls",
    }  # fmt: skip


def test_a_single_snapshot_has_what_the_last_of_several_copies_left_where_a_mount_is(tmp_path: Path) -> None:
    build(
        tmp_path,
        "FROM busybox\nCOPY --link . /proc/d/\nCOPY --link file /proc/d\n".replace("/proc/d/", "/proc/d"),
        "--single-snapshot",
    )
    assert image(tmp_path).names_in_layers(1) == {"proc", "proc/d"}


def test_an_ignored_path_is_there_for_steps_and_in_no_layer(tmp_path: Path) -> None:
    dockerfile = """\
FROM busybox
RUN mkdir -p /cache/a /kept && echo x > /cache/a/b && echo y > /kept/file
COPY file /cache/copied
RUN cat /cache/a/b /cache/copied > /kept/both
"""
    build(tmp_path, dockerfile, "--ignore-path=/cache")
    names = image(tmp_path).names_in_layers(1)
    assert names == {"kept", "kept/file", "kept/both"}


def test_layers_are_zstd_where_that_is_asked_for(tmp_path: Path) -> None:
    build(tmp_path, "FROM busybox\nRUN echo hello > /greeting\n", "--compression=zstd")
    layer = image(tmp_path).manifest["layers"][-1]
    assert layer["mediaType"].endswith("+zstd")


def test_a_stage_that_changes_no_file_is_not_unpacked(tmp_path: Path) -> None:
    result = build(tmp_path, 'FROM busybox AS base\nENV A=1\nFROM base\nCMD ["true"]\n')
    assert "unpacked" not in result.output
    assert image(tmp_path).config["config"]["Env"][-1] == "A=1"


@pytest.mark.parametrize(
    "step",
    [
        "RUN head -c 1000000000 /dev/urandom > /large",
        "RUN truncate -s 4000000000 /sparse",
        "RUN mkdir /many && cd /many && for d in $(seq 300); do mkdir $d; (cd $d; touch $(seq 300)); done",
        "RUN mkdir /many && cd /many && seq 100000 | xargs touch",
        "RUN mkdir /d && for n in $(seq 29000); do ln -s $(printf '%02000d' $n) /d/$n; done",
    ],
    ids=["1 GB in a file", "4 GB in a sparse file", "90,000 files", "100,000 in one folder", "long links"],
)
def test_memory_is_bounded_whatever_is_in_a_layer(tmp_path: Path, step: str) -> None:
    report = build(tmp_path, f"FROM busybox\n{step}\nRUN touch /next\n").report
    assert report is not None
    assert report.peak_rss_bytes < 150 * MEGABYTE
