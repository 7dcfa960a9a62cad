"""Volumes of the pod at paths that the Dockerfile uses: what would get lost is an error that says why."""

from pathlib import Path

import pytest

from support.building import Built, build
from support.pod import Bind, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


def with_volume(folder: Path, at: str, *lines: str, writable: bool = True) -> Built:
    volume = folder / "volume"
    volume.mkdir()
    (volume / "file").write_text("of the volume\n")
    dockerfile = "\n".join(["FROM debian:bookworm", *lines, ""])
    return build(folder, dockerfile, binds=(Bind(str(volume), at, writable=writable),))


@pytest.mark.parametrize(
    ("at", "lines", "line", "words"),
    [
        ("/workspace", ["WORKDIR /workspace", "COPY . .", "RUN make > built"], 4,
         "the working directory /workspace is not the image's: a volume of the pod is mounted at /workspace"),
        ("/workspace", ["RUN ln -s /workspace /w", "WORKDIR /w/sub", "RUN true"], 4,
         "the working directory /w/sub is not the image's"),
        ("/workspace", ["RUN echo x > /workspace/built"], 2, "/workspace was changed while the step ran"),
        ("/workspace", ["RUN mkdir /workspace"], 2, "a volume of the pod is mounted at /workspace"),
        ("/data/in", ["RUN mkdir -p /data"], 2, "the image has no /data and does not get one from this step"),
    ],
)  # fmt: skip
def test_a_step_that_would_lose_something_in_a_volume_ends_the_build(
    tmp_path: Path, at: str, lines: list[str], line: int, words: str
) -> None:
    built = with_volume(tmp_path, at, *lines)
    assert built.result.exit_code == 11, built.output
    assert f"error: Dockerfile:{line}: " in built.output
    assert words in built.output
    assert "\\n" not in built.output
    assert "/kaniko/" in built.output
    assert [path.name for path in (tmp_path / "volume").iterdir()] in (
        ["file"],
        ["file", "built"],
        ["built", "file"],
    )


def test_a_volume_that_hides_files_of_the_base_is_told_of(tmp_path: Path) -> None:
    built = with_volume(tmp_path, "/srv", "RUN true")
    assert built.result.exit_code == 0, built.output
    assert "warning: debian:bookworm: its own /srv goes into the image, but no step sees it" in built.output


def test_a_service_account_token_in_the_way_is_named(tmp_path: Path) -> None:
    at = "/var/run/secrets/kubernetes.io/serviceaccount"
    built = with_volume(tmp_path, at, "RUN chown -R www-data /var/run/", writable=False)
    assert built.result.exit_code == 11, built.output
    assert "Set automountServiceAccountToken: false in the pod's spec" in built.output


def test_a_volume_that_steps_read_is_in_nobodys_way(tmp_path: Path) -> None:
    built = with_volume(
        tmp_path, "/data/in", "RUN cat /data/in/file && mkdir -p /data/out && touch /data/out/x"
    )
    assert built.result.exit_code == 0, built.output
    assert built.image.names_in_layers(1) == {"data", "data/out", "data/out/x"}
