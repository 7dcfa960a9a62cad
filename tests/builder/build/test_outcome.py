"""What is known of an image when its layers are made."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.handmade import make_image, push
from support.registry import Registry
from support.site import Built, Site
from yadokari_builder.build.outcome import assemble
from yadokari_builder.oci import media_types
from yadokari_builder.oci.image import Image
from yadokari_contract.spec import BuildSpec

CREATED = "2024-06-01T00:00:00Z"


def assembled(built: Built, **fields: Any) -> Image:
    return assemble(built.plan, built.finished, BuildSpec(**fields), CREATED)


def config(image: Image) -> dict[str, Any]:
    """Read the config as others do."""
    parsed: dict[str, Any] = json.loads(image.config.format())
    return parsed


def test_each_step_has_its_line_in_the_history_and_those_without_a_layer_say_so(site: Site) -> None:
    image = assembled(site.build("FROM scratch\nCOPY Dockerfile /\nENV A=b\nCOPY Dockerfile /again\nCMD x\n"))
    history = config(image)["history"]
    assert [(step["created_by"], step.get("empty_layer", False)) for step in history] == [
        ("COPY Dockerfile / # buildkit", False),
        ("ENV A=b", True),
        ("COPY Dockerfile /again # buildkit", False),
        ('CMD ["/bin/sh" "-c" "x"]', True),
    ]
    assert len(config(image)["rootfs"]["diff_ids"]) == len(image.manifest.layers) == 2
    assert all(step["created"].endswith("Z") for step in history)


def test_the_layers_of_a_chain_of_stages_and_of_its_base_are_one_upon_the_other(
    site: Site, registry: Registry, name: str, tmp_path: Path
) -> None:
    base = make_image(tmp_path / "base", {"a": b"1"}, {"b": b"2"})
    push(base, f"{registry.host}/{name}")
    built = site.build(
        f"FROM {registry.host}/{name} AS one\nCOPY Dockerfile /1\nFROM one AS two\nENV A=b\n"
        "FROM scratch AS beside\nCOPY Dockerfile /\nFROM two\nCOPY --from=beside / /3\n"
    )
    image = assembled(built)
    made = [layer.layer for layer in built.made]
    assert list(image.layers) == [*base.image.layers, *made]
    assert [step.get("created_by") for step in config(image)["history"]] == [
        "layer 0",
        "layer 1",
        "COPY Dockerfile /1 # buildkit",
        "ENV A=b",
        "COPY / /3 # buildkit",
    ]
    assert image.config.config.env == ("PATH=/bin", "A=b")


def test_a_stage_of_one_layer_has_it_in_the_history_at_its_last_step_with_files(site: Site) -> None:
    image = assembled(
        site.build("FROM scratch\nCOPY Dockerfile /\nCOPY Dockerfile /2\nENV A=b\n", single_snapshot=True)
    )
    assert [step.get("empty_layer", False) for step in config(image)["history"]] == [True, False, True]
    assert len(image.layers) == 1


def test_labels_of_the_build_win_over_those_of_the_dockerfile(site: Site) -> None:
    built = site.build("FROM scratch\nLABEL a=dockerfile b=dockerfile\n")
    assert config(assembled(built, labels={"b": "build", "c": "build"}))["config"]["Labels"] == {
        "a": "dockerfile",
        "b": "build",
        "c": "build",
    }
    assert "Labels" not in config(assembled(site.build("FROM scratch\nCMD x\n")))["config"]


def test_an_image_is_created_when_it_is_done_and_its_steps_when_they_are(site: Site) -> None:
    image = assembled(site.build("FROM scratch\nENV A=b\n", build_args={"SOURCE_DATE_EPOCH": "1"}))
    assert config(image)["created"] == CREATED
    assert config(image)["history"][0]["created"] == "1970-01-01T00:00:01Z"


@pytest.mark.parametrize(
    ("kind", "layer_type", "config_type"),
    [
        (media_types.OCI_MANIFEST, media_types.OCI_LAYER_GZIP, media_types.OCI_CONFIG),
        (media_types.DOCKER_MANIFEST, media_types.DOCKER_LAYER_GZIP, media_types.DOCKER_CONFIG),
    ],
    ids=["oci", "docker"],
)
def test_an_image_is_of_its_bases_kind_in_all_its_parts(
    site: Site, registry: Registry, name: str, tmp_path: Path, kind: str, layer_type: str, config_type: str
) -> None:
    push(make_image(tmp_path / "base", {"a": b"1"}, manifest_type=kind), f"{registry.host}/{name}")
    image = assembled(site.build(f"FROM {registry.host}/{name}\nCOPY Dockerfile /\n"))
    assert image.manifest.media_type == kind
    assert image.manifest.config.media_type == config_type
    assert [layer.media_type for layer in image.manifest.layers] == [layer_type] * 2


def test_an_image_from_scratch_is_ocis_and_may_have_no_layer(site: Site) -> None:
    image = assembled(site.build("FROM scratch\nCMD x\n"))
    assert image.manifest.media_type == media_types.OCI_MANIFEST
    assert image.layers == ()
    assert config(image)["rootfs"] == {"type": "layers", "diff_ids": []}


def test_a_kind_that_is_asked_for_wins_over_the_bases(
    site: Site, registry: Registry, name: str, tmp_path: Path
) -> None:
    base = make_image(tmp_path / "base", {"a": b"1"}, manifest_type=media_types.DOCKER_MANIFEST)
    push(base, f"{registry.host}/{name}")
    built = site.build(f"FROM {registry.host}/{name}\nCOPY Dockerfile /\n")
    assert assembled(built, image_format="oci").manifest.media_type == media_types.OCI_MANIFEST
    scratch = site.build("FROM scratch\nCOPY Dockerfile /\n")
    image = assembled(scratch, image_format="docker")
    assert image.manifest.media_type == media_types.DOCKER_MANIFEST
    assert [layer.media_type for layer in image.manifest.layers] == [media_types.DOCKER_LAYER_GZIP]


@pytest.mark.parametrize("fields", [{"annotations": {"a": "b"}}, {"compression": "zstd"}])
def test_what_dockers_kind_does_not_know_makes_the_image_ocis(
    site: Site, registry: Registry, name: str, tmp_path: Path, fields: dict[str, Any]
) -> None:
    base = make_image(tmp_path / "base", {"a": b"1"}, manifest_type=media_types.DOCKER_MANIFEST)
    push(base, f"{registry.host}/{name}")
    image = assembled(site.build(f"FROM {registry.host}/{name}\nCOPY Dockerfile /\n", **fields), **fields)
    assert image.manifest.media_type == media_types.OCI_MANIFEST
    assert image.manifest.annotations == fields.get("annotations", {})
