import pytest

from builder.plan.planning import BASE, planned
from yadokari_builder.oci.config import ContainerConfig
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.lodge import Refusal, lodger
from yadokari_builder.plan.plan import Plan
from yadokari_builder.registry.pull import PulledImage
from yadokari_contract.results.lodging import NotLodged

BASES = {"debian:latest": BASE, "other:latest": ContainerConfig(user="other")}


def plan_of(text: str) -> Plan:
    return planned(text, bases=BASES)


def debian() -> Reference:
    base = plan_of("FROM debian\n").target.base
    assert isinstance(base, PulledImage)
    return Reference(base.repository, None, base.image.manifest_digest)


def refused(text: str) -> Refusal:
    refusal = lodger(plan_of(text), debian())
    assert isinstance(refusal, Refusal)
    return refusal


@pytest.mark.parametrize(
    "text",
    [
        "FROM debian AS a\nRUN a\n",
        "FROM scratch AS unneeded\nCOPY a /\nFROM debian AS a\nRUN a\n",
        "FROM debian AS a\nCOPY --from=other:latest /a /\nRUN a\n",
        "FROM other AS settings\nENV A=b\nFROM debian AS a\nCOPY a /\n",
    ],
)
def test_the_stage_that_starts_from_the_containers_image_is_built_in_it(text: str) -> None:
    stage = lodger(plan_of(text), debian())
    assert not isinstance(stage, Refusal)
    assert stage.name == "a"


def test_a_tag_that_means_another_image_by_now_is_unpacked() -> None:
    other = Reference(debian().repository, None, Digest.of(b"before"))
    refusal = lodger(plan_of("FROM debian\nRUN a\n"), other)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is NotLodged.OTHER_IMAGE
    assert refusal.message == f"no stage starts from {other.digest}: FROM debian is {debian().digest}"
    assert refused("FROM scratch\nCOPY a /\n").reason is NotLodged.OTHER_IMAGE


def test_a_root_that_another_stage_needs_first_is_emptied() -> None:
    refusal = refused("FROM other AS first\nRUN a\nFROM debian\nCOPY --from=first /a /\nRUN b\n")
    assert refusal == Refusal(NotLodged.OTHER_STAGES, "stage first needs the root before stage 1")


def test_a_stage_whose_files_another_one_takes_is_unpacked() -> None:
    refusal = refused("FROM debian AS tools\nRUN a\nFROM scratch AS last\nCOPY --from=tools /a /\n")
    assert refusal == Refusal(NotLodged.OTHER_STAGES, "stage last takes files of stage tools")
    assert refused("FROM debian AS a\nRUN a\nFROM a\nRUN b\n").reason is NotLodged.OTHER_STAGES


def test_a_base_whose_files_nobody_looks_at_is_not_needed() -> None:
    assert refused("FROM debian\nENV A=b\n").reason is NotLodged.NOT_NEEDED
