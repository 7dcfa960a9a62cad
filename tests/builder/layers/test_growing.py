import threading
from pathlib import Path

import pytest

from yadokari_builder.errors import CancelledError
from yadokari_builder.layers.compression import Compression, CompressionKind
from yadokari_builder.layers.growing import GrowingFile
from yadokari_builder.layers.layer_file import LayerFile
from yadokari_builder.oci.digest import Digest

MEBIBYTE = 1 << 20
PLAIN = Compression(CompressionKind.NONE)


def read_whole(growing: GrowingFile, found: list[bytes]) -> None:
    with growing.open() as file:
        found.append(b"".join(iter(lambda: file.read(MEBIBYTE), b"")))


def test_who_follows_a_large_layer_reads_what_it_becomes(tmp_path: Path) -> None:
    found: list[bytes] = []
    seen: list[GrowingFile] = []
    readers: list[threading.Thread] = []

    def watch(growing: GrowingFile) -> None:
        seen.append(growing)
        readers.append(threading.Thread(target=read_whole, args=(growing, found)))
        readers[0].start()

    with LayerFile(tmp_path, PLAIN, watch) as file:
        for number in range(40):
            file.write(bytes([number]) * MEBIBYTE)
        layer = file.finish()
    readers[0].join(30)
    assert len(seen) == 1
    assert seen[0].descriptor() == layer.descriptor
    assert Digest.of(found[0]) == layer.descriptor.digest


def test_nobody_is_told_of_a_small_layer(tmp_path: Path) -> None:
    seen: list[GrowingFile] = []
    with LayerFile(tmp_path, PLAIN, seen.append) as file:
        file.write(bytes(MEBIBYTE))
        file.finish()
    assert not seen


@pytest.mark.timeout(60)
def test_reading_what_is_given_up_is_cancelled(tmp_path: Path) -> None:
    seen: list[GrowingFile] = []
    with LayerFile(tmp_path, PLAIN, seen.append) as file:
        for _ in range(20):
            file.write(bytes(MEBIBYTE))
        while not seen:
            threading.Event().wait(0.01)
        reader = seen[0].open()
    with reader, pytest.raises(CancelledError):
        list(iter(lambda: reader.read(MEBIBYTE), b""))
    with pytest.raises(CancelledError):
        seen[0].descriptor()
