"""What a step finds around it in a pod, and what it leaves behind."""

import io
import tarfile
from pathlib import Path

import pytest

from support.building import build
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


@pytest.mark.parametrize("user", ["root", "1001", "3000000000:3000000001"])
def test_a_steps_user_can_open_its_standard_streams(tmp_path: Path, user: str) -> None:
    built = build(
        tmp_path,
        f"FROM busybox\nUSER {user}\n"
        "RUN echo to-out > /dev/stdout; echo to-err >> /dev/stderr; cat < /dev/stdin; echo end\n",
    )
    assert "\nto-out\nto-err\nend\n" in built.output


def test_what_a_step_does_to_dev_and_leaves_in_shared_memory_is_gone_for_the_next(tmp_path: Path) -> None:
    look = "find /dev -printf '%p %y %m %U %G %l\\n' | sort"
    built = build(
        tmp_path,
        f"FROM debian:bookworm\nRUN {look} > /before; ipcs > /ipcs\n"
        "RUN rm /dev/null && echo text > /dev/null; rm /dev/zero; ln -sf x /dev/stdout; mkdir /dev/mine; \\\n"
        "    chmod 700 /dev /dev/shm; echo left > /dev/shm/x; touch /dev/mqueue/q\n"
        "USER 1001\nRUN ipcmk -M 1000 -S 2 -Q\nUSER root\n"
        f"RUN {look} | diff /before -; ipcs | diff /ipcs -; echo compared\n",
    )
    said = built.output.partition("\nSTEP 7/7")[2]
    assert said.splitlines()[1:2] == ["compared"], built.output


def test_a_file_linked_from_a_cache_into_the_image_is_the_images_own(tmp_path: Path) -> None:
    cache = "--mount=type=cache,target=/store"
    built = build(
        tmp_path,
        "FROM busybox\nRUN mkdir /app\n"
        f"RUN {cache} echo good > /store/package; ln /store/package /app/package\n"
        "RUN echo bad >> /app/package\n"
        f"RUN {cache} cat /store/package > /cached\n",
    )
    assert built.result.exit_code == 0, built.output
    files = {name: data for layer in built.image.layers() for name, data in contents(layer).items()}
    assert (files["app/package"], files["cached"]) == (b"good\nbad\n", b"good\n")


def contents(layer: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        read = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: file.read() for name, file in read.items() if file}


@pytest.mark.parametrize("kind", ["baseline", "namespaces"])
def test_steps_trust_what_the_executor_trusts_by_a_file_that_is_in_no_layer(
    tmp_path: Path, kind: str
) -> None:
    built = build(
        tmp_path,
        "FROM busybox\nUSER 1001\nRUN grep -c BEGIN $SSL_CERT_FILE > /tmp/number\n"
        "RUN test $(cat /tmp/number) -gt 50 && echo trusting $CURL_CA_BUNDLE\n",
        "--certificates-in-steps",
        kind=kind,
    )
    assert "\ntrusting /run/yadokari/certificates.pem\n" in built.output
    assert not any("run" in name or "certificates" in name for name in built.image.names_in_layers(skip=1))
