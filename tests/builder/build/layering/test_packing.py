"""Layers that are packed while the build goes on."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.watching import once
from yadokari_builder.build.layering.packing import Packer, Packing
from yadokari_builder.errors import BuilderError, CancelledError
from yadokari_builder.layers.layer_file import LayerFile
from yadokari_builder.layers.members import Members, members_of_paths
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.layers.tar_member import Kind, Member
from yadokari_builder.rootfs.boundary import Boundary

LARGE = os.urandom(2 << 20)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "large").write_bytes(LARGE)
    (root / "small").write_bytes(b"small")
    return root


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


class Slow:
    """Content that takes its time: until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.may_end = threading.Event()
        self._error = error

    def write_to(self, layer: LayerFile, size: int) -> int:
        assert self.may_end.wait(100)
        if self._error:
            raise self._error
        for _ in range(size >> 20):
            layer.write(bytes(1 << 20))
        return 0

    @property
    def members(self) -> Members:
        return [(Member("slow", Kind.FILE, 0o644, 0, 0, 40 << 20, 0), self)]


@pytest.fixture
def made() -> list[PackedLayer]:
    return []


@pytest.fixture
def packer(out: Path, made: list[PackedLayer]) -> Iterator[Packer]:
    with Packer(Packing(out), made.append) as packer:
        yield packer


def of(root: Path, *names: str) -> Members:
    return members_of_paths([f"/{name}" for name in names], Boundary(root))


def test_a_layer_that_nothing_follows_is_there_at_once(
    packer: Packer, root: Path, made: list[PackedLayer]
) -> None:
    assert packer.pack(of(root, "large"), followed=False).result(30) in made


def test_a_small_layer_is_there_at_once(packer: Packer, root: Path) -> None:
    assert packer.pack(of(root, "small"), followed=True).done()


def test_layers_are_made_in_their_order_while_the_build_goes_on(
    packer: Packer, root: Path, made: list[PackedLayer]
) -> None:
    slow = Slow()
    layers = [packer.pack(members, followed=True) for members in (slow.members, of(root, "large"))]
    layers.append(packer.pack(of(root, "small"), followed=True))
    assert not made
    (root / "large").unlink()
    slow.may_end.set()
    assert [layer.result(30) for layer in layers] == made
    assert made[1].layer.descriptor.size > len(LARGE)


def test_what_cannot_be_held_waits_for_what_is_under_way_and_is_packed_at_once(
    packer: Packer, root: Path, made: list[PackedLayer]
) -> None:
    slow = Slow()
    first = packer.pack(slow.members, followed=True)
    with (root / "large").open("ab") as file:
        file.truncate(100 << 20)
    threading.Timer(0.1, slow.may_end.set).start()
    assert packer.pack(of(root, "large"), followed=True).done()
    assert first.done()
    assert len(made) == 2


def test_an_error_comes_with_the_layer(
    packer: Packer, root: Path, made: list[PackedLayer], out: Path
) -> None:
    slow = Slow(BuilderError("no space is left"))
    layer = packer.pack(slow.members, followed=True)
    slow.may_end.set()
    with pytest.raises(BuilderError, match="no space is left"):
        layer.result(30)
    assert packer.pack(of(root, "large"), followed=True).result(30)
    assert len(made) == 1
    assert not list(out.iterdir())


def test_leaving_gives_up_what_is_under_way_and_what_waits(
    root: Path, out: Path, made: list[PackedLayer]
) -> None:
    slow = Slow()
    with Packer(Packing(out), made.append) as packer:
        layers = [packer.pack(members, followed=True) for members in (slow.members, of(root, "large"))]
        once(layers[1].cancelled, slow.may_end.set)
    with pytest.raises(CancelledError):
        layers[0].result(30)
    assert layers[1].cancelled()
    assert not made
    assert list(out.iterdir()) == []
