import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.strategies import descriptors, json_values, maps
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.manifest import Index, Manifest, parse_manifest
from yadokari_builder.oci.platform import Platform

CONFIG = Descriptor(media_types.OCI_CONFIG, Digest.of(b"config"), 6)
LAYER = Descriptor(media_types.OCI_LAYER_GZIP, Digest.of(b"layer"), 5)


@given(
    st.builds(
        Manifest,
        st.sampled_from(sorted(media_types.MANIFESTS)),
        descriptors,
        st.lists(descriptors, max_size=3).map(tuple),
        maps,
    )
)
def test_a_manifest_is_read_as_it_was_written(manifest: Manifest) -> None:
    assert Manifest.parse(manifest.format(), manifest.media_type) == manifest
    assert parse_manifest(manifest.format()) == manifest


@given(
    st.builds(
        Index,
        st.sampled_from(sorted(media_types.INDEXES)),
        st.lists(descriptors, max_size=3).map(tuple),
        maps,
    )
)
def test_an_index_is_read_as_it_was_written(index: Index) -> None:
    assert Index.parse(index.format(), index.media_type) == index
    assert parse_manifest(index.format()) == index


def test_a_manifest_is_written_as_buildkit_writes_it() -> None:
    text = Manifest(media_types.OCI_MANIFEST, CONFIG, (LAYER,)).format().decode()
    assert text.startswith(
        '{\n  "schemaVersion": 2,\n  "mediaType": "application/vnd.oci.image.manifest.v1+json",\n'
    )
    assert list(json.loads(text)) == ["schemaVersion", "mediaType", "config", "layers"]


def test_a_manifest_without_a_media_type_goes_by_what_it_was_announced_as() -> None:
    data = json.loads(Manifest(media_types.OCI_MANIFEST, CONFIG, ()).format())
    del data["mediaType"]
    assert (
        parse_manifest(json.dumps(data).encode(), media_types.DOCKER_MANIFEST).media_type
        == media_types.DOCKER_MANIFEST
    )
    assert parse_manifest(json.dumps(data).encode(), "text/plain").media_type == media_types.OCI_MANIFEST


@pytest.mark.parametrize(
    ("values", "announced", "message"),
    [
        ({"schemaVersion": 1}, "", "schema 1"),
        ({}, media_types.DOCKER_SCHEMA1_SIGNED, "schema 1"),
        ({"mediaType": media_types.OCI_INDEX}, media_types.OCI_MANIFEST, "announced as"),
        ({"mediaType": "text/plain"}, "", "neither an image manifest nor an index"),
        ({"manifests": [], "layers": []}, "", "could be read as either"),
        ({"manifests": [], "config": {}}, media_types.OCI_MANIFEST, "could be read as either"),
        ({"layers": []}, "", "config is missing"),
        ({"config": {"size": 1}}, "", "config: digest is missing"),
        ({"config": {"digest": str(CONFIG.digest), "size": -1}}, "", "size is negative"),
        ({"config": CONFIG.format(), "layers": [1]}, "", r"layers\[0\] is an integer"),
        ({"manifests": {"a": 1}}, media_types.OCI_INDEX, "manifests is an object"),
    ],
)
def test_a_wrong_or_ambiguous_manifest_is_refused(
    values: dict[str, object], announced: str, message: str
) -> None:
    with pytest.raises(ImageInvalidError, match=message):
        parse_manifest(json.dumps(values).encode(), announced)


def test_an_index_is_no_manifest_and_a_manifest_no_index() -> None:
    with pytest.raises(ImageInvalidError, match="not an index"):
        Manifest.parse(Index(media_types.OCI_INDEX, ()).format(), "")
    with pytest.raises(ImageInvalidError, match="not a manifest"):
        Index.parse(Manifest(media_types.OCI_MANIFEST, CONFIG, ()).format(), "")


@given(st.sampled_from(["config", "layers", "manifests", "mediaType", "annotations"]), json_values)
def test_any_value_in_any_field_is_read_or_refused(name: str, value: object) -> None:
    data = {**json.loads(Manifest(media_types.OCI_MANIFEST, CONFIG, (LAYER,)).format()), name: value}
    try:
        parsed = parse_manifest(json.dumps(data).encode())
    except ImageInvalidError:
        return
    assert parse_manifest(parsed.format()) == parsed


def entry(platform: Platform | None, content: bytes = b"x") -> Descriptor:
    return replace(LAYER, digest=Digest.of(content), platform=platform)


def test_the_best_entry_of_an_index_is_chosen_and_the_first_of_equals() -> None:
    old, exact, twin = (
        entry(Platform("linux", "arm", "v6"), b"old"),
        entry(Platform("linux", "arm64", "v8"), b"exact"),
        entry(Platform("linux", "arm64"), b"twin"),
    )
    index = Index(media_types.OCI_INDEX, (old, exact, twin))
    assert index.select(Platform("linux", "arm64")) == exact
    assert index.select(Platform("linux", "arm", "v7")) == old
    assert index.select(Platform("linux", "amd64")) is None


def test_attestations_are_never_chosen() -> None:
    by_platform = entry(Platform("unknown", "unknown"))
    by_annotation = replace(entry(None), annotations={"vnd.docker.reference.type": "attestation-manifest"})
    index = Index(media_types.OCI_INDEX, (by_platform, by_annotation))
    assert index.images() == ()
    assert index.select(Platform("linux", "amd64")) is None


def test_an_entry_without_a_platform_suits_any_but_comes_last() -> None:
    plain, exact = entry(None, b"plain"), entry(Platform("linux", "amd64"), b"exact")
    index = Index(media_types.OCI_INDEX, (plain, exact))
    assert index.select(Platform("linux", "amd64")) == exact
    assert index.select(Platform("linux", "s390x")) == plain


def test_an_entry_is_alone_if_no_other_one_is_for_its_architecture() -> None:
    v7, arm64 = entry(Platform("linux", "arm", "v7"), b"v7"), entry(Platform("linux", "arm64", "v8"), b"64")
    attestation = entry(Platform("unknown", "unknown"))
    index = Index(media_types.OCI_INDEX, (v7, arm64, attestation))
    assert index.is_sole(v7)
    assert index.is_sole(arm64)
    v6, unnamed = entry(Platform("linux", "arm", "v6"), b"v6"), entry(None)
    assert not replace(index, manifests=(v6, v7, arm64)).is_sole(v7)
    assert not replace(index, manifests=(unnamed, arm64)).is_sole(arm64)
    assert not Index(media_types.OCI_INDEX, (unnamed, unnamed)).is_sole(unnamed)
