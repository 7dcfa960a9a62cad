"""However many want the layers of an image, its registry is asked for them once."""

import os
from pathlib import Path

import pytest

from support.gate import Gate, Spoiled, running_gate, times
from support.handmade import LocalImage, make_image, push
from support.registry import Registry
from support.site import Site


@pytest.fixture
def made(tmp_path: Path) -> LocalImage:
    return make_image(tmp_path / "made", *({f"file{number}": os.urandom(1_500_000)} for number in range(5)))


@pytest.fixture
def base(gate: Gate, made: LocalImage, name: str) -> str:
    """An image of five layers, named as it is seen through the gate."""
    push(made, f"{gate.host}/{name}/base")
    gate.passed.clear()
    return f"{gate.host}/{name}/base"


def fetched(gate: Gate, made: LocalImage) -> list[int]:
    """Count how often each layer was fetched."""
    return [gate.count("GET", f"/blobs/{layer.layer.descriptor.digest}") for layer in made.layers]


def test_a_base_that_is_unpacked_pushed_elsewhere_and_written_twice_is_fetched_once(
    site: Site, gate: Gate, base: str, made: LocalImage, other_registry: Registry, name: str
) -> None:
    site.session(
        f"FROM {base}\nADD Dockerfile /\n",
        destinations=(f"{other_registry.host}/{name}",),
        tar_path=str(site.folder / "image.tar"),
        oci_layout_path=str(site.folder / "layout"),
    ).run()
    assert fetched(gate, made) == [1, 1, 1, 1, 1]
    assert (site.root / "file4").stat().st_size == 1_500_000


def test_a_base_that_is_only_sent_on_is_fetched_once(
    site: Site, gate: Gate, base: str, made: LocalImage, other_registry: Registry, name: str
) -> None:
    site.session(f"FROM {base}\nENV A=b\n", destinations=(f"{other_registry.host}/{name}",)).run()
    assert fetched(gate, made) == [1, 1, 1, 1, 1]
    assert not (site.root / "file0").exists()


def test_a_base_that_goes_to_its_own_registry_and_two_others_is_fetched_once(
    site: Site, gate: Gate, base: str, made: LocalImage, other_registry: Registry, name: str
) -> None:
    with running_gate(other_registry.host) as third:
        hosts = (gate.host, other_registry.host, third.host)
        site.session(f"FROM {base}\nENV A=b\n", destinations=tuple(f"{host}/{name}" for host in hosts)).run()
    assert fetched(gate, made) == [1, 1, 1, 1, 1]
    assert gate.count("POST", "mount=") == 5


def test_two_stages_from_one_image_and_a_copy_from_it_fetch_it_once(
    site: Site, gate: Gate, base: str, made: LocalImage
) -> None:
    site.session(
        f"FROM {base} AS one\nADD Dockerfile /\n"
        f"FROM {base}\nADD Dockerfile /\nCOPY --from=one /file0 /copied\nCOPY --from={base} /file1 /copied2\n"
    ).run()
    assert fetched(gate, made) == [1, 1, 1, 1, 1]
    assert (site.root / "copied").read_bytes() == (site.root / "file0").read_bytes()
    assert (site.root / "copied2").read_bytes() == (site.root / "file1").read_bytes()


def test_a_registry_that_has_the_layers_already_has_none_of_them_fetched_twice(
    site: Site, gate: Gate, base: str, made: LocalImage, other_registry: Registry, name: str
) -> None:
    push(made, f"{other_registry.host}/{name}")
    site.session(f"FROM {base}\nADD Dockerfile /\n", destinations=(f"{other_registry.host}/{name}",)).run()
    assert fetched(gate, made) == [1, 1, 1, 1, 1]


def test_a_base_that_its_destination_has_is_not_fetched_where_nothing_of_it_is_needed(
    site: Site, gate: Gate, base: str, made: LocalImage, other_registry: Registry, name: str
) -> None:
    push(made, f"{other_registry.host}/{name}")
    site.session(f"FROM {base}\nENV A=b\n", destinations=(f"{other_registry.host}/{name}",)).run()
    site.session(f"FROM {base}\nENV A=b\n", destinations=(f"{gate.host}/{name}",)).run()
    assert fetched(gate, made) == [0, 0, 0, 0, 0]


def test_an_upload_that_is_tried_again_fetches_nothing_again(
    site: Site, gate: Gate, base: str, made: LocalImage, other_registry: Registry, name: str
) -> None:
    with running_gate(other_registry.host) as destination:
        destination.spoil = times(2, "/blobs/uploads/", Spoiled(503), "PUT")
        site.session(
            f"FROM {base}\nADD Dockerfile /\n",
            destinations=(f"{destination.host}/{name}",),
            tar_path=str(site.folder / "image.tar"),
        ).run()
    assert fetched(gate, made) == [1, 1, 1, 1, 1]
