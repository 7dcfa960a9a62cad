"""The cache in a real pod: with the guard, and in the container's own root."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.pod import Bind, run_pod, why_no_containers
from support.registry import Registry

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

DOCKERFILE = """\
FROM debian:bookworm AS one
RUN mkdir /made && echo made > /made/file
FROM debian:bookworm
WORKDIR /work
COPY --from=one /made .
RUN --mount=target=/context cp /context/main . && rm -rf /usr/share/doc
COPY main /late
"""


def build(folder: Path, registry: Registry, name: str, *arguments: str) -> tuple[dict[str, Any], str]:
    """Build and push in a pod of its own; returns the result and the log."""
    context, out = folder / "context", folder / "out"
    out.mkdir(exist_ok=True)
    done = run_pod(
        [
            f"--context=dir://{context}",
            f"--destination={registry.host}/{name}",
            "--insecure",
            "--reproducible",
            f"--result-file={out}/result",
            *arguments,
        ],
        binds=[Bind(str(context)), Bind(str(out), writable=True)],
    )
    assert done.exit_code == 0, done.output
    result: dict[str, Any] = json.loads((out / "result").read_text())
    return result, done.output


def test_a_pod_takes_what_another_one_left(registry: Registry, name: str, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "context/main").write_text("main\n")
    cached = ("--cache", "--cache-copy-layers")
    first, _ = build(tmp_path, registry, name, *cached)
    second, log = build(tmp_path, registry, name, *cached)
    assert (first["cached"], second["cached"]) == (0, 5)
    assert first["digest"] == second["digest"]
    assert "unpacked" not in log

    (tmp_path / "context/main").write_text("other\n")
    third, log = build(tmp_path, registry, name, *cached)
    assert third["cached"] == 3
    assert "1 file changed, first main" in log
    cold, _ = build(tmp_path, registry, f"{name}/cold")
    assert cold["digest"] == third["digest"]
