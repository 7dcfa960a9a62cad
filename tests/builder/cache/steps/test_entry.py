"""Entries, written and read."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.cache.steps.entry import Entry, Trace, format_entry, parse_entry
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.manifest import Manifest
from yadokari_builder.oci.platform import Platform

AMD64 = Platform("linux", "amd64")
LAYER = Layer(Descriptor(media_types.OCI_LAYER_GZIP, Digest.of(b"packed"), 6), Digest.of(b"plain"))
ENTRY = Entry("a" * 64, "layer:x", LAYER, 1_700_000_000)

texts = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
layers = st.builds(
    lambda kind, packed, plain: Layer(Descriptor(kind, Digest.of(packed), len(packed)), Digest.of(plain)),
    st.sampled_from([media_types.OCI_LAYER, media_types.OCI_LAYER_GZIP, media_types.OCI_LAYER_ZSTD]),
    st.binary(),
    st.binary(),
)
entries = st.builds(
    Entry,
    st.from_regex("[0-9a-f]{64}", fullmatch=True),
    st.from_regex("((layer|step):[0-9a-f]{64})?", fullmatch=True),
    st.none() | layers,
    st.integers(0, 2**32),
    st.integers(0, 10**8 - 1).map(lambda hundredths: hundredths / 100),
    st.binary(max_size=100),
)


@given(entries, st.text(), st.builds(Trace, texts, texts))
def test_what_is_written_can_be_read(entry: Entry, step: str, trace: Trace) -> None:
    document = format_entry(entry, step, AMD64, trace)
    manifest = Manifest.parse(document.manifest, media_types.OCI_MANIFEST)
    assert parse_entry(manifest, entry.key) == entry
    assert Trace.parse(manifest.annotations) == trace


def test_an_entry_is_an_image_for_any_tool() -> None:
    document = format_entry(ENTRY, "RUN make", AMD64, Trace())
    config = ImageConfig.parse(document.config)
    assert config.platform == AMD64
    assert config.diff_ids == (LAYER.diff_id,)
    assert [step.created_by for step in config.history] == ["RUN make"]
    assert document.image.manifest.config.digest == Digest.of(document.config)


def broken(**changes: Any) -> Manifest:
    manifest = format_entry(ENTRY, "RUN make", AMD64, Trace()).image.manifest
    annotations = {**manifest.annotations, **changes.pop("annotations", {})}
    return replace(manifest, annotations=annotations, **changes)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (broken(annotations={"dev.yadokari.cache.key": "b" * 64}), "no entry of this cache"),
        (replace(broken(), annotations={}), "no entry of this cache"),
        (broken(annotations={"dev.yadokari.cache.name": "\x1b[2J"}), "its name is none"),
        (broken(annotations={"dev.yadokari.cache.name": "x" * 201}), "its name is none"),
        (broken(annotations={"dev.yadokari.cache.diff-id": "md5:0"}), "sha256"),
        (broken(annotations={"org.opencontainers.image.created": "yesterday"}), "RFC 3339"),
        (broken(annotations={"dev.yadokari.cache.outline-2": "é"}), "its outline is none"),
        (broken(annotations={"dev.yadokari.cache.outline-2": "YQ"}), "its outline is none"),
        (broken(layers=(LAYER.descriptor, LAYER.descriptor)), "it has 2 layers"),
        (broken(layers=(replace(LAYER.descriptor, media_type="text/plain"),)), "its layer is 'text/plain'"),
        (
            broken(layers=(replace(LAYER.descriptor, media_type=media_types.OCI_FOREIGN_LAYER),)),
            "its layer is",
        ),
    ],
)
def test_what_is_no_entry_is_refused(manifest: Manifest, message: str) -> None:
    with pytest.raises(ImageInvalidError, match=re.escape(message)):
        parse_entry(manifest, ENTRY.key)


def test_files_whose_names_are_too_long_are_not_listed() -> None:
    trace = Trace({"files": "a"}, {f"{number}{'é' * 1000}": "b" for number in range(1000)})
    document = format_entry(ENTRY, "COPY . .", AMD64, trace)
    assert len(document.manifest) < 1 << 14
    assert Trace.parse(document.image.manifest.annotations) == replace(trace, files={})


@pytest.mark.parametrize("text", ["-1.00", "1e999", "nan", "9999999.00", ""])
def test_a_step_that_took_what_cannot_be_took_nothing(text: str) -> None:
    manifest = broken(annotations={"dev.yadokari.cache.seconds": text})
    assert parse_entry(manifest, ENTRY.key).seconds == 0


@pytest.mark.parametrize("text", ["[", "[]", '{"a": 1}', "{}, {}", '"a"'])
def test_what_tells_nothing_of_a_key_is_refused(text: str) -> None:
    with pytest.raises(ImageInvalidError):
        Trace.parse({"dev.yadokari.cache.parts": text})
