from dataclasses import replace

import pytest

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image, manifest_type_on
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.platform import Platform

LAYER = Layer(Descriptor(media_types.OCI_LAYER_GZIP, Digest.of(b"gz"), 2, {"a": "b"}), Digest.of(b"tar"))
CONFIG = ImageConfig(platform=Platform("linux", "amd64"), diff_ids=(LAYER.diff_id,))


@pytest.mark.parametrize(
    ("manifest_type", "config_type", "layer_type"),
    [
        (media_types.OCI_MANIFEST, media_types.OCI_CONFIG, media_types.OCI_LAYER_GZIP),
        (media_types.DOCKER_MANIFEST, media_types.DOCKER_CONFIG, media_types.DOCKER_LAYER_GZIP),
    ],
)
def test_all_parts_of_an_assembled_image_are_of_one_kind(
    manifest_type: str, config_type: str, layer_type: str
) -> None:
    image = Image.assemble(CONFIG, [LAYER], manifest_type)
    assert image.manifest.config.media_type == config_type
    assert image.manifest.config.digest == Digest.of(CONFIG.format())
    assert [layer.media_type for layer in image.manifest.layers] == [layer_type]
    assert image.manifest.layers[0].annotations == {}
    assert image.manifest_digest == Digest.of(image.manifest.format())
    assert image.layers[0].diff_id == LAYER.diff_id


@pytest.mark.parametrize(
    ("media_type", "stay"), [(media_types.OCI_LAYER_GZIP, False), (media_types.OCI_FOREIGN_LAYER_GZIP, True)]
)
def test_places_to_get_a_layer_from_stay_where_it_is_not_pushed(media_type: str, stay: bool) -> None:
    places = ("http://elsewhere.test/layer",)
    told = replace(LAYER, descriptor=replace(LAYER.descriptor, media_type=media_type, urls=places))
    (layer,) = Image.assemble(CONFIG, [told], media_types.OCI_MANIFEST).manifest.layers
    assert layer.urls == (places if stay else ())


def test_layers_and_diff_ids_must_fit_together() -> None:
    with pytest.raises(ImageInvalidError, match="its manifest has 2 layers, its config 1 diff IDs"):
        Image.assemble(CONFIG, [LAYER, LAYER], media_types.OCI_MANIFEST)


def test_an_image_takes_after_its_base_and_on_scratch_is_ocis() -> None:
    oci = Image.assemble(CONFIG, [LAYER], media_types.OCI_MANIFEST)
    docker = Image.assemble(CONFIG, [LAYER], media_types.DOCKER_MANIFEST)
    assert manifest_type_on(None) == manifest_type_on(oci) == media_types.OCI_MANIFEST
    assert manifest_type_on(docker) == media_types.DOCKER_MANIFEST


def test_media_types_without_a_counterpart_stay() -> None:
    odd = replace(LAYER, descriptor=replace(LAYER.descriptor, media_type="application/x"))
    image = Image.assemble(CONFIG, [odd], media_types.DOCKER_MANIFEST)
    assert image.manifest.layers[0].media_type == "application/x"
