"""The fewest requests that do: what a gate before a registry records."""

from collections import Counter
from pathlib import Path

from support.gate import Gate, running_gate
from support.handmade import LocalImage, make_image
from support.registry import Registry
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher


def push(client: RegistryClient, made: LocalImage, *references: str) -> None:
    with Pusher(client, map(Reference.parse, references)) as pusher:
        for layer in made.layers:
            pusher.add_layer(layer)
        pusher.finish(made.image)


def asked(gate: Gate) -> Counter[tuple[str, str]]:
    """Count requests by method and kind of thing."""
    return Counter(
        (request.method, request.path.rpartition("/")[0].rpartition("/")[2]) for request in gate.passed
    )


def test_a_push_of_what_is_there_asks_once_for_each_blob_and_puts_the_manifest(
    client: RegistryClient, registry: Registry, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"}, {"b": b"2"}, {"c": b"3"})
    push(client, made, f"{registry.host}/{name}")
    with running_gate(registry.host) as gate:
        push(client, made, f"{gate.host}/{name}")
    assert asked(gate) == {("HEAD", "blobs"): 4, ("PUT", "manifests"): 1}


def test_a_second_tag_costs_one_request(
    client: RegistryClient, gate: Gate, registry: Registry, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    push(client, made, f"{registry.host}/{name}")
    push(client, made, f"{gate.host}/{name}:1", f"{gate.host}/{name}:2")
    assert asked(gate) == {("HEAD", "blobs"): 2, ("PUT", "manifests"): 2}


def test_a_pull_asks_once_for_each_thing(
    client: RegistryClient, gate: Gate, registry: Registry, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"}, {"b": b"2"})
    push(client, made, f"{registry.host}/{name}")
    puller = Puller(client)
    for _ in range(2):
        pulled = puller.resolve(Reference.parse(f"{gate.host}/{name}"), Platform("linux", "amd64"))
    for layer in pulled.layers:
        with layer.open() as blob:
            assert blob.read()
    assert asked(gate) == {("GET", "manifests"): 1, ("GET", "blobs"): 3}
