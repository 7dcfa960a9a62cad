"""What kaniko would make otherwise."""

from dataclasses import replace

import pytest

from builder.plan.planning import any_image, drafted, planned
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.media_types import DOCKER_MANIFEST
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.kaniko import differences
from yadokari_builder.registry.pull import PulledImage
from yadokari_contract.spec import BuildSpec

PLAIN = BuildSpec(ignore_var_run=True)


def told(text: str, spec: BuildSpec = PLAIN) -> list[str]:
    return list(differences(planned(text), spec))


def dockers(reference: Reference, platform: Platform) -> PulledImage:
    """Find every image, of Docker's kind."""
    found = any_image(reference, platform)
    return replace(found, image=Image.assemble(found.image.config, (), DOCKER_MANIFEST))


@pytest.mark.parametrize(
    ("line", "difference"),
    [
        ("COPY a /", "files belong to root, where kaniko gives them to me:us: --chown=me:us"),
        ("ADD a /", "files belong to root, where kaniko gives them to me:us: --chown=me:us"),
        (
            "WORKDIR /a/b",
            "folders missing on the way to /a/b are me:us's, where kaniko makes them root's",
        ),
        ("RUN x", "the step has the group us, where kaniko gives it the first group of me"),
        (
            "COPY --chown=1 <<E /\n$x\nE",
            "variables in the here-document are replaced, where kaniko leaves them as they are written",
        ),
    ],
)
def test_what_a_step_does_otherwise_is_told_with_its_line(line: str, difference: str) -> None:
    assert told(f"FROM debian\nARG WHO=me\nUSER $WHO:us\n{line}\n") == [f"line 4: {difference}"]


@pytest.mark.parametrize("user", ["root", "0", "root:root"])
def test_for_root_nothing_differs(user: str) -> None:
    text = f"FROM debian\nUSER {user}\nCOPY a /\nWORKDIR /a/b\nCOPY --chown=1 <<'E' /\n$x\nE\n"
    assert told(text) == []


def test_a_stage_begins_with_the_user_of_what_it_starts_from() -> None:
    assert told("FROM debian AS a\nUSER me\nFROM a\nCOPY a /\n")[0].startswith("line 4: files belong to root")
    assert told("FROM debian\nCOPY --from=debian /a /\n") == []


def test_what_differs_without_any_step_of_its_own_is_told_unless_a_flag_settles_it() -> None:
    text = "FROM scratch\nRUN x\n"
    assert [line.split(":")[0] for line in told(text, BuildSpec())] == ["steps", "image"]
    assert told(text, BuildSpec(ignore_var_run=True, image_format="docker")) == []


def test_a_kind_of_manifest_that_no_flag_can_settle_is_told_with_what_it_is_for() -> None:
    on_docker = list(
        differences(drafted("FROM debian\n", find_image=dockers).approved(), PLAIN, "annotations")
    )
    assert on_docker == [
        "image: its manifest is OCI's for annotations, where kaniko keeps the base's, Docker's"
    ]
    assert list(differences(planned("FROM debian\n"), PLAIN, "annotations")) == []
    (on_scratch,) = differences(planned("FROM scratch\nLABEL a=b\n"), PLAIN, "annotations")
    assert on_scratch.endswith("Docker's on scratch")


def test_layers_of_a_base_that_stay_as_they_are_are_told() -> None:
    reproducible = replace(PLAIN, reproducible=True, image_format="oci")
    assert told("FROM debian\n", reproducible) == [
        "image: layers of the base stay as they are, where kaniko takes the times out of them, too"
    ]
    assert told("FROM scratch\nLABEL a=b\n", reproducible) == []


def test_a_cache_of_kanikos_is_told_to_be_of_no_use_and_a_folder_to_be_used_always() -> None:
    assert told("FROM debian\n", replace(PLAIN, cache=True)) == [
        "cache: nothing that kaniko has cached is found, since the keys are others"
    ]
    assert told("FROM debian\n", replace(PLAIN, cache_dir="/warm")) == [
        "cache: base images in /warm are used, where kaniko wants --cache for that"
    ]
