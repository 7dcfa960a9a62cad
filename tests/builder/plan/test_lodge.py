import io
from collections.abc import Mapping
from dataclasses import replace

import pytest

from builder.plan.planning import AMD64, BASE, planned
from yadokari_builder.oci.config import ContainerConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.media_types import OCI_LAYER
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.lodge import Lodger, Refusal, Taken, lodger, offer, taken_for
from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.plan.steps import Files
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.registry.source import LocalLayer
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


def lodged(text: str) -> Lodger:
    found = lodger(plan_of(text), debian())
    assert isinstance(found, Lodger)
    return found


def beside(found: Lodger) -> list[str]:
    return [stage.name for stage in found.plan.stages if found.is_beside(stage)]


@pytest.mark.parametrize(
    "text",
    [
        "FROM debian AS a\nRUN a\n",
        "FROM scratch AS unneeded\nCOPY a /\nFROM debian AS a\nRUN a\n",
        "FROM debian AS a\nCOPY --from=other:latest /a /\nRUN a\n",
        "FROM other AS settings\nENV A=b\nFROM debian AS a\nCOPY a /\n",
        "FROM debian AS b\nCOPY a /\nFROM debian AS a\nRUN a\nCOPY --from=b /a /\n",
    ],
)
def test_the_stage_that_starts_from_the_containers_image_is_built_in_it(text: str) -> None:
    assert lodged(text).stage.name == "a"


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


def test_a_stage_that_could_wait_comes_after() -> None:
    last = "FROM scratch\nCOPY --from=a /b /\nCOPY --from=first /a /\n"
    found = lodged(f"FROM other AS first\nRUN a\nFROM debian AS a\nRUN b\n{last}")
    assert [stage.name for stage in found.plan.stages] == ["a", "first", "2"]
    assert found.plan.read_by == {0: (2,), 1: (2,), 2: ()}
    assert beside(found) == ["2"]


def test_what_runs_nothing_is_built_beside_a_root_that_it_takes_files_from() -> None:
    found = lodged("FROM debian AS tools\nRUN a\nFROM scratch AS last\nCOPY --from=tools /a /b* /\n")
    assert beside(found) == ["last"]
    assert found.taken(0) == (Taken("/a", True), Taken("/b*", True))
    assert found.why == "0.0 MB need not be downloaded and unpacked; beside it are built last"


def test_what_is_mounted_of_the_stage_is_known() -> None:
    run = "RUN --mount=from=tools,source=/out,target=/in a"
    found = lodged(f"FROM debian AS tools\nRUN a\nFROM other\n{run}\n")
    assert found.taken(0) == (Taken("/out", False),)
    assert beside(found) == []


def test_a_stage_that_alone_starts_from_the_one_in_the_root_goes_on_there() -> None:
    found = lodged("FROM debian AS a\nRUN a\nFROM scratch\nCOPY --from=a /a /\nFROM a\nCOPY --from=1 /a /\n")
    assert found.staying == (0, 2)
    assert beside(found) == ["1"]


def test_a_stage_that_is_but_a_name_for_the_image_is_in_nobodys_way() -> None:
    text = """
        FROM debian AS base
        FROM base AS deps
        COPY package.json /
        RUN a
        FROM base AS build
        COPY --from=deps /modules /modules
        RUN b
        FROM base AS last
        COPY --from=build /out /
    """
    found = lodged(text)
    assert found.stage.name == "deps"
    assert beside(found) == ["base", "last"]
    assert found.plan.needs[0] is Files.NONE
    assert found.plan.read_by == {0: (), 1: (2,), 2: (3,), 3: ()}
    assert found.plan.total_steps == plan_of(text).total_steps
    assert [stage.name for stage in found.plan.chain()] == ["last"]


def test_a_name_for_an_image_keeps_files_that_another_stage_takes_from_it() -> None:
    found = lodged(
        "FROM debian AS base\nFROM base AS a\nRUN a\n"
        "FROM scratch\nCOPY --from=base /b /\nCOPY --from=a /a /\n"
    )
    assert found.stage.name == "a"
    assert found.plan.needs[0] is not Files.NONE


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "FROM debian AS a\nRUN a\nFROM a AS b\nRUN b\nFROM a\nCOPY --from=b /b /\n",
            "stage b starts from stage a, and is not alone with that",
        ),
        (
            "FROM debian AS a\nRUN a\nFROM other AS b\nRUN b\nFROM a\nCOPY --from=b /b /\n",
            "stage 2 starts from stage a, and is not alone with that",
        ),
        ("FROM debian AS a\nRUN a\nFROM scratch\nCOPY --from=a / /\n", "stage 1 takes all files of stage a"),
        (
            "FROM debian AS a\nCOPY a /\nFROM other\nRUN b\nCOPY --from=a /a /\n",
            "stage 1 needs the root, and stage a runs nothing",
        ),
    ],
)
def test_a_root_that_would_have_to_be_copied_is_none_to_lodge_in(text: str, why: str) -> None:
    refusal = refused(text)
    assert refusal.reason is NotLodged.OTHER_STAGES
    assert refusal.message == why


def weighing(plan: Plan, sizes: Mapping[str, int]) -> Plan:
    """The same where the bases, by their names, have one layer each of so many bytes."""

    def weighed(stage: PlannedStage) -> PlannedStage:
        base = stage.base
        if not isinstance(base, PulledImage):
            return stage
        blob = Descriptor(OCI_LAYER, Digest.of(b""), sizes[base.reference.familiar])
        layers = (LocalLayer(Layer(blob, Digest.of(b"")), io.BytesIO),)
        return replace(stage, base=replace(base, layers=layers))

    return replace(plan, stages=tuple(map(weighed, plan.stages)))


@pytest.mark.parametrize(
    ("large", "small"), [("debian:latest", "other:latest"), ("other:latest", "debian:latest")]
)
def test_the_base_of_which_most_is_saved_is_offered(large: str, small: str) -> None:
    last = "FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n"
    text = f"FROM debian AS a\nRUN a\nFROM other AS b\nRUN b\n{last}"
    offered = offer(weighing(plan_of(text), {large: 2_000, small: 1_999}))
    assert offered is not None
    assert offered.repository.familiar == large.partition(":")[0]


def test_what_would_be_unpacked_saves_twice_what_would_be_downloaded_alone() -> None:
    text = "FROM debian AS a\nCOPY a /\nFROM other AS b\nCOPY --from=a /a /\n"
    for of_other, name in ((3_999, "debian"), (4_001, "other")):
        plan = plan_of(text)
        assert [plan.needs[index] for index in range(2)] == [Files.CONTENT, Files.NAMES]
        offered = offer(weighing(plan, {"debian:latest": 2_000, "other:latest": of_other}))
        assert offered is not None
        assert offered.repository.familiar == name


def test_a_base_whose_files_nobody_looks_at_is_not_needed() -> None:
    assert refused("FROM debian\nENV A=b\n").reason is NotLodged.NOT_NEEDED


INDEX = Digest.of(b"index")


def with_index(plan: Plan, sole: Platform | None) -> Plan:
    """The same where the base was found in an index."""
    base = plan.target.base
    assert isinstance(base, PulledImage)
    stage = replace(plan.target, base=replace(base, named=INDEX, sole=sole))
    return replace(plan, stages=(stage,))


@pytest.mark.parametrize(
    ("sole", "is_known"),
    [
        (AMD64, True),
        (Platform("linux", "amd64", "v2"), True),
        (Platform("linux", "arm64"), False),
        (None, False),
    ],
)
def test_an_index_stands_for_the_only_image_that_the_machine_can_take(
    sole: Platform | None, is_known: bool
) -> None:
    plan = with_index(plan_of("FROM debian\nRUN a\n"), sole)
    image = taken_for(replace(debian(), digest=INDEX), plan, AMD64)
    assert image == (debian() if is_known else replace(debian(), digest=INDEX))
    assert isinstance(lodger(plan, image), Lodger if is_known else Refusal)


def test_a_digest_of_another_index_stands_for_itself() -> None:
    other = replace(debian(), digest=Digest.of(b"other"))
    assert taken_for(other, with_index(plan_of("FROM debian\n"), AMD64), AMD64) == other
