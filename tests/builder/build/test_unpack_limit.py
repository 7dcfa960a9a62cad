"""--image-unpack-limit: images, archives, repositories and files of the web, larger than they look."""

import gzip
import io
import random
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest

from support.git import WHY_NO_GIT, git, make_repository, smart_http
from support.handmade import make_image, push
from support.hostile import hostile_server
from support.site import Site
from yadokari_builder.errors import BuilderError, ContextError, ImageInvalidError

MIB = 1 << 20
TOO_MUCH = r"it takes more than 3145728 bytes of the disk, the limit: raise --image-unpack-limit"


def bomb(size: int = 40 * MIB) -> bytes:
    """An archive of zeros, a thousandth of them when it is compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("zeros")
        entry.size = size
        archive.addfile(entry, io.BytesIO(bytes(size)))
    return gzip.compress(buffer.getvalue(), compresslevel=1)


def refusal(site: Site, dockerfile: str, **fields: Any) -> BuilderError:
    with pytest.raises(BuilderError, match=TOO_MUCH) as caught:
        site.build(dockerfile, image_unpack_limit=3 * MIB, **fields)
    return caught.value


def test_all_layers_of_an_image_count_together(site: Site, name: str) -> None:
    layers = [{f"f{number}": random.Random(number).randbytes(MIB)} for number in range(4)]
    push(make_image(site.folder / "three", *layers[:2]), f"{site.registry}/{name}:2")
    push(make_image(site.folder / "four", *layers), f"{site.registry}/{name}:4")
    error = refusal(site, f"FROM {site.registry}/{name}:4\nRUN true\n")
    assert isinstance(error, ImageInvalidError)
    assert f"{name}:4: it takes more" in error.message
    assert error.line == 1
    site.build(f"FROM {site.registry}/{name}:2\nCOPY Dockerfile /\n", image_unpack_limit=3 * MIB)


def test_an_image_that_files_are_copied_from_counts_too(site: Site, name: str) -> None:
    push(make_image(site.folder / "image", {"zeros": bytes(40 * MIB)}), f"{site.registry}/{name}")
    error = refusal(site, f"FROM scratch\nCOPY --from={site.registry}/{name} /zeros /\n")
    assert error.line == 2


def test_an_archive_that_is_added(site: Site) -> None:
    site.spec("")
    (site.context / "bomb.tgz").write_bytes(bomb())
    error = refusal(site, "FROM scratch\nADD bomb.tgz /\n")
    assert isinstance(error, ContextError)
    assert "bomb.tgz: it takes more" in error.message


def test_a_context(site: Site) -> None:
    archive = site.folder / "context.tgz"
    archive.write_bytes(bomb())
    error = refusal(site, "", context=f"tar://{archive}")
    assert isinstance(error, ContextError)
    assert f"tar://{archive} cannot be unpacked: it takes more" in error.message


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(MIB))


def inflating(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(40 * MIB)))


@pytest.mark.parametrize("answer", [endless, inflating])
def test_a_file_of_the_web_that_does_not_end(site: Site, answer: object) -> None:
    with hostile_server(answer) as host:  # type: ignore[arg-type]
        error = refusal(site, f"FROM scratch\nADD http://{host}/file /\n")
    assert isinstance(error, ContextError)
    assert f"http://{host}/file: it takes more" in error.message


@pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_repository_whose_few_objects_stand_for_any_number_of_files(site: Site, tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "served/bomb.git")
    (tmp_path / "file").write_text("x" * 1000)
    entry = "100644 blob " + git(folder, "hash-object", "-w", str(tmp_path / "file"))
    for _ in range(6):
        listing = "".join(f"{entry}\tf{number}\n" for number in range(10))
        (tmp_path / "listing").write_text(listing)
        with open(tmp_path / "listing") as lines:
            made = git(folder, "mktree", stdin=lines.fileno())
        entry = f"040000 tree {made}"
    git(folder, "update-ref", "HEAD", git(folder, "commit-tree", made, "-m", "bomb"))
    with smart_http(tmp_path / "served") as address:
        error = refusal(site, f"FROM scratch\nADD {address}/bomb.git /\n")
    assert isinstance(error, ContextError)
    assert f"{address}/bomb.git: it takes more" in error.message
