"""Steps that look for what the executor keeps, and put links in the place of its folders."""

from pathlib import Path

import pytest

from support.attack import CREDENTIALS, PASSWORD
from support.building import Built, build
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

FOLDERS = "staging shelter contexts caches fetched aside"
LINKS = f"RUN cd /yadokari/work; for d in {FOLDERS}; do mv $d old-$d; ln -s /proc/1 $d; done\n"


def attacked(folder: Path, dockerfile: str, kind: str) -> Built:
    return build(folder, dockerfile, kind=kind, env={"DOCKER_AUTH_CONFIG": CREDENTIALS})


def test_a_step_finds_no_file_of_the_executor_that_holds_a_secret_or_a_layer(
    tmp_path: Path, kind: str
) -> None:
    built = attacked(
        tmp_path,
        "FROM busybox\n"
        "RUN head -c 30000000 /dev/urandom > /large\n"
        "RUN echo layers: $(find /yadokari/work -type f)."
        " open: $(cat /proc/1/fd/* /proc/1/task/*/fd/* 2>/dev/null | wc -c)."
        " environ: $(cat /proc/*/environ /proc/*/task/*/environ 2>/dev/null | tr -d '\\0')\n",
        kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "\nlayers: . open: 0. environ: " in built.output
    assert PASSWORD not in built.output


def test_links_in_the_place_of_the_executors_folders_lead_it_nowhere(tmp_path: Path, kind: str) -> None:
    built = attacked(
        tmp_path,
        "FROM busybox AS one\nRUN echo of the stage > /file\n"
        f"{LINKS}"
        "FROM busybox\n"
        "COPY --from=one /file /stage\n"
        "COPY --from=debian:bookworm /etc/os-release /image\n"
        "COPY Dockerfile /context\n"
        "COPY Dockerfile /dev/staged\n"
        "RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=target=/b"
        " echo kept > /c/file\n"
        "RUN --mount=type=cache,target=/c cat /c/file\n",
        kind,
    )
    assert built.result.exit_code == 0, built.output
    assert "\nkept\n" in built.output
    assert built.image.names_in_layers(1) == {"stage", "image", "context", "dev", "dev/staged"}
