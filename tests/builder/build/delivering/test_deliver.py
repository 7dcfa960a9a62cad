"""Where an image goes, by the flags that say it."""

import json
import logging
import os
import tarfile
import threading
from pathlib import Path

import pytest

from support.gate import Passed, Spoiled, running_gate, times
from support.handmade import make_image, push
from support.layout import Layout
from support.registry import Registry
from support.site import Site
from support.watching import come_true, files_in, once
from yadokari_builder.build.delivering.deliver import Delivery
from yadokari_builder.build.delivering.destinations import read_destinations
from yadokari_builder.build.outcome import assemble
from yadokari_builder.build.progress import Phases
from yadokari_builder.errors import BuilderError, PushError, UnauthorizedError, UsageError
from yadokari_builder.layers.members import members_of_paths
from yadokari_builder.layers.pack import PackedLayer, pack
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_contract.spec import BuildSpec


def delivery(site: Site, spec: BuildSpec) -> Delivery:
    return Delivery(spec, read_destinations(spec), site.open(spec))


def packed(folder: Path, content: bytes) -> PackedLayer:
    """Pack a layer of one file."""
    folder.mkdir()
    (folder / "file").write_bytes(content)
    return pack(members_of_paths(["/file"], Boundary(folder)), folder)


def config_of(archive: Path) -> dict[str, list[str]]:
    with tarfile.open(archive) as tar:
        entry: dict[str, list[str]] = json.load(tar.extractfile("manifest.json") or pytest.fail("no list"))[0]
        return entry


def test_somebody_must_say_where_an_image_goes_or_that_it_goes_nowhere() -> None:
    with pytest.raises(UsageError, match="name one, or give --no-push"):
        read_destinations(BuildSpec())
    assert read_destinations(BuildSpec(no_push=True)) == ()


def test_a_destination_that_is_no_reference_is_refused() -> None:
    with pytest.raises(UsageError, match="must be lower case"):
        read_destinations(BuildSpec(destinations=("registry.example.com/App",)))


@pytest.mark.parametrize("tag", ["", ":1"])
def test_a_destination_with_a_digest_is_refused(tag: str) -> None:
    image = f"r.example/app{tag}@sha256:{'0' * 64}"
    with pytest.raises(UsageError, match=f"^--destination {image}: .*: name a repository"):
        read_destinations(BuildSpec(destinations=(image,)))


def test_all_outputs_hold_the_same_image(site: Site, registry: Registry, name: str) -> None:
    out = site.folder
    result = site.session(
        "FROM busybox\nRUN echo hello > /greeting\n",
        destinations=(f"{registry.host}/{name}:1", f"{registry.host}/{name}:2"),
        tar_path=str(out / "image.tar"),
        oci_layout_path=str(out / "layout"),
        digest_file=str(out / "digest"),
    ).run()
    layout = Layout(out / "layout")
    assert layout.digest == result.digest == (out / "digest").read_text()
    assert [layout.digest] * 2 == [Layout.pull(image, out / image[-1]).digest for image in result.images]
    assert result.images == (f"{registry.host}/{name}:1", f"{registry.host}/{name}:2")
    assert result.size == sum(layer["size"] for layer in layout.manifest["layers"])
    archived = config_of(out / "image.tar")
    assert archived["Config"] == layout.manifest["config"]["digest"].removeprefix("sha256:") + ".json"
    assert archived["RepoTags"] == list(result.images)


def test_a_push_by_digest_gives_the_image_no_tag(
    site: Site, registry: Registry, name: str, tmp_path: Path
) -> None:
    where = f"{registry.host}/{name}"
    result = site.session(
        "FROM scratch\nCOPY Dockerfile /\n",
        destinations=(f"{where}:1", f"{where}:2", f"{where}-other"),
        push_by_digest=True,
        image_name_tag_with_digest_file=str(tmp_path / "names"),
    ).run()
    names = [f"{where}@{result.digest}", f"{where}-other@{result.digest}"]
    assert list(result.images) == (tmp_path / "names").read_text().split() == names
    for image in names:
        assert Layout.pull(image, tmp_path / image.rpartition("/")[2][:30]).digest == result.digest
    assert list(registry.storage.rglob(f"{name}/_manifests/tags/*")) == []


def test_a_push_by_digest_and_none_at_all_are_refused() -> None:
    with pytest.raises(UsageError, match="leave one of them out"):
        read_destinations(BuildSpec(push_by_digest=True, no_push=True))


def test_outputs_are_named_by_the_destinations_where_nothing_is_pushed_too(site: Site) -> None:
    result = site.session(
        "FROM scratch\nCOPY Dockerfile /\n",
        no_push=True,
        destinations=("registry.example.com/team/app:1",),
        tar_path=str(site.folder / "image.tar"),
        oci_layout_path=str(site.folder / "layout"),
    ).run()
    assert config_of(site.folder / "image.tar")["RepoTags"] == ["registry.example.com/team/app:1"]
    index = json.loads((site.folder / "layout/index.json").read_text())
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "1"
    assert result.images == ()


def test_a_destination_that_takes_nothing_is_found_out_before_the_first_step(
    site: Site, registry: Registry, name: str
) -> None:
    with running_gate(registry.host) as gate:
        gate.spoil = times(100, "/blobs/uploads/", Spoiled(401), "POST")
        session = site.session("FROM busybox\nRUN true\n", destinations=(f"{gate.host}/{name}",))
        with pytest.raises(UnauthorizedError):
            session.run()
    assert session.progress.done == 0
    assert session.progress.total == 2
    assert not (site.root / "bin").exists()
    assert not any(thread.name.startswith("push") for thread in threading.enumerate())


def test_layers_of_the_base_are_sent_on_before_anything_is_built(
    site: Site, registry: Registry, name: str, tmp_path: Path
) -> None:
    made = make_image(tmp_path / "made", {"a": os.urandom(1000)})
    push(made, f"{registry.host}/{name}/base")
    with running_gate(registry.host) as gate:
        spec = site.spec(
            f"FROM {registry.host}/{name}/base\nRUN x\n", destinations=(f"{gate.host}/{name}/app",)
        )
        with delivery(site, spec) as under_way:
            under_way.begin()
            assert come_true(lambda: gate.count("PUT", made.layers[0].layer.descriptor.digest.hex) == 1)


def test_a_layer_is_pushed_while_others_are_made(
    site: Site, registry: Registry, name: str, tmp_path: Path
) -> None:
    with running_gate(registry.host) as gate:
        spec = site.spec("FROM scratch\nCOPY Dockerfile /\n", destinations=(f"{gate.host}/{name}",))
        layer = packed(tmp_path / "layer", b"content")
        with delivery(site, spec) as under_way:
            under_way.layer_made(layer)
            assert come_true(lambda: gate.count("PUT", layer.layer.descriptor.digest.hex) == 1)
        assert gate.count("PUT", "/manifests/") == 0


def test_a_large_layer_is_pushed_while_it_is_made(
    site: Site, registry: Registry, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = site.session(
        "FROM scratch\nCOPY large /\nCOPY Dockerfile /\n", destinations=(f"{registry.host}/{name}",)
    )
    (site.context / "large").write_bytes(os.urandom(20_000_000))
    with caplog.at_level(logging.DEBUG):
        session.run()
    assert "is already in" in caplog.text


def test_nobody_watches_layers_where_nothing_is_pushed(site: Site) -> None:
    assert delivery(site, site.spec("FROM scratch\nCOPY Dockerfile /\n")).watch is None


def test_a_push_that_fails_is_no_step_that_is_not_done(site: Site, registry: Registry, name: str) -> None:
    with running_gate(registry.host) as gate:
        gate.spoil = times(100, "/manifests/", Spoiled(400), "PUT")
        session = site.session(
            "FROM busybox\nRUN echo hello > /greeting\nENV A=b\n",
            destinations=(f"{gate.host}/{name}",),
            tar_path=str(site.folder / "image.tar"),
            digest_file=str(site.folder / "digest"),
        )
        with pytest.raises(PushError):
            session.run()
    assert session.progress.done == session.progress.total == 3
    assert [phase.name for phase in session.phases] == ["plan", "build", "write", "push"]
    assert (site.folder / "image.tar").exists()
    assert not (site.folder / "digest").exists(), "it tells that the image is where it should be"


def test_an_output_that_cannot_be_written_in_the_end_is_named_by_its_flag(site: Site) -> None:
    place = site.root / "out" / "image.tar"
    session = site.session("FROM scratch\nCOPY Dockerfile /out\n", {}, tar_path=str(place))
    with pytest.raises(
        BuilderError, match=f"^--tar-path {place} cannot be written: {place.parent}"
    ) as caught:
        session.run()
    assert caught.value.line == 0, "no line of the Dockerfile is to blame"
    assert session.progress.done == session.progress.total == 2


def test_leaving_gives_up_what_is_not_pushed_yet(
    site: Site, registry: Registry, name: str, tmp_path: Path
) -> None:
    may_answer = threading.Event()

    def halt(request: Passed) -> Spoiled | None:
        if request.method == "HEAD":
            assert may_answer.wait(100)
        return None

    layers = [packed(tmp_path / str(number), bytes([number])) for number in range(12)]
    with running_gate(registry.host) as gate:
        gate.spoil = halt
        spec = site.spec("FROM scratch\nCOPY Dockerfile /\n", destinations=(f"{gate.host}/{name}",))
        with delivery(site, spec) as under_way:
            for layer in layers:
                under_way.layer_made(layer)
            assert come_true(lambda: gate.count("HEAD") > 0)
            once(under_way._pushes[layers[-1].layer.descriptor.digest].cancelled, may_answer.set)
        assert gate.count("HEAD") < len(layers), "the others are not even looked for"
    assert not [
        layer for layer in layers if [*registry.storage.glob(f"**/{layer.layer.descriptor.digest.hex}/data")]
    ]


def test_a_layer_that_a_base_has_twice_is_kept_for_as_many_as_read_it(
    site: Site, registry: Registry, name: str, tmp_path: Path
) -> None:
    same = {"a": os.urandom(1000)}
    push(make_image(tmp_path / "made", same, {"b": b""}, same), f"{registry.host}/{name}")
    spec = site.spec(
        f"FROM {registry.host}/{name}\nENV A=b\n",
        tar_path=str(site.folder / "image.tar"),
        oci_layout_path=str(site.folder / "layout"),
    )
    opened = site.open(spec)
    with Delivery(spec, (), opened) as under_way:
        under_way.begin()
        under_way.finish(assemble(opened.plan, {0: ()}, BuildSpec(), "2024-01-01T00:00:00Z"), Phases())
        assert come_true(lambda: files_in(site.root / "yadokari/work/blobs") == 0)
