"""Stages of COPY alone are built without the content of their base, to the same layers as with it."""

import os
from pathlib import Path

import pytest

from support.layout import Layout
from support.pod import Bind, PodResult, run_pod, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


def build(folder: Path, dockerfile: str, *arguments: str) -> PodResult:
    context = folder / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(dockerfile)
    (context / "file").write_text("file")
    (context / "folder" / "etc").mkdir(parents=True)
    (context / "folder" / "etc" / "issue").write_text("another system")
    (context / "folder" / "link").symlink_to("etc")
    (context / "accounts").mkdir()
    (context / "accounts" / "passwd").symlink_to("/usr/share/base-passwd/passwd.master")
    (context / "folder" / "one").write_text("linked")
    os.link(context / "folder" / "one", context / "folder" / "two")
    out = folder / "out"
    out.mkdir()
    return run_pod(
        [f"--context=dir://{context}", "--no-push", "--reproducible", f"--oci-layout-path={out}", *arguments],
        binds=[Bind(str(context)), Bind(str(out), writable=True)],
    )


def layers(folder: Path, dockerfile: str, *arguments: str, base: str) -> list[str]:
    """Build; `base` is what the log says of the base image."""
    folder.mkdir()
    result = build(folder, dockerfile, *arguments)
    assert result.exit_code == 0, result.output
    assert base in result.output
    return Layout(folder / "out").layer_digests


@pytest.mark.parametrize("single", [[], ["--single-snapshot"]])
@pytest.mark.parametrize(
    "steps",
    [
        "COPY folder /",
        "COPY folder/ /usr/\nCOPY file /bin/\nCOPY file /bin/new\nCOPY file /lib64/",
        "COPY file /bin/ls\nCOPY file /etc/passwd\nCOPY --chown=daemon:games file /etc/group",
        "USER daemon\nWORKDIR /home/new\nWORKDIR /usr/bin\nCOPY --chown=games folder .",
        "COPY --parents folder/etc/issue /var/tmp/\nCOPY --chmod=u+s file /tmp/x/y/z",
        "COPY accounts /etc/\nCOPY --chown=daemon file /x\nUSER bin\nWORKDIR /w",
        "COPY <<X /etc/motd\nhello\nX\nVOLUME /var/tmp\nCOPY file /var/tmp/",
    ],
)
def test_copies_onto_names_alone_make_the_layers_that_copies_onto_files_make(
    steps: str, single: list[str], tmp_path: Path
) -> None:
    dockerfile = f"FROM debian:bookworm\n{steps}\n"
    # What counts as changed in all of a stage is found by comparing, for which names are not enough.
    base = "s: 1 layer unpacked" if single else "s: the names in 1 layer unpacked"
    of_names = layers(tmp_path / "names", dockerfile, *single, base=base)
    of_files = layers(
        tmp_path / "files", dockerfile + 'RUN ["/usr/bin/true"]\n', *single, base="s: 1 layer unpacked"
    )
    assert of_names == of_files


def test_linked_copies_need_nothing_of_their_base(tmp_path: Path) -> None:
    dockerfile = "FROM debian:bookworm\nCOPY --link folder /opt/\nCOPY --link --chown=1 file /new/\n"
    of_nothing = layers(
        tmp_path / "nothing", dockerfile, base="STEP 1/3 FROM debian:bookworm\n  done in 0.0s\n"
    )
    of_files = layers(tmp_path / "files", dockerfile + 'RUN ["/usr/bin/true"]\n', base="s: 1 layer unpacked")
    assert of_nothing == of_files


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("COPY folder /etc/passwd", "cannot copy to non-directory: /etc/passwd"),
        ("COPY file /bin/ls/", "mkdir /usr/bin/ls: not a directory"),
        ("COPY file /etc/issue/new", "mkdir /etc/issue: not a directory"),
        ("WORKDIR /etc/fstab", "mkdir /etc/fstab: not a directory"),
    ],
)
def test_a_file_in_the_way_is_in_the_way_with_its_name_alone(step: str, message: str, tmp_path: Path) -> None:
    result = build(tmp_path, f"FROM debian:bookworm\n{step}\n")
    assert result.exit_code == 14, result.output
    assert message in result.output
