from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.oci.config import ContainerConfig, ImageConfig
from yadokari_builder.oci.platform import Platform
from yadokari_builder.plan.state import GrowingStage, begin, inherit

NAMES = st.sampled_from(["A", "B", "PATH"])
VALUES = st.sampled_from(["", "1", "2=3"])


def image(*env: str) -> ImageConfig:
    return ImageConfig(platform=Platform("linux", "amd64"), config=ContainerConfig(env=env))


@given(st.lists(st.tuples(NAMES, VALUES)), st.lists(st.tuples(NAMES, VALUES)))
def test_a_variable_replaces_the_first_of_its_name_and_the_others_stay(
    base: list[tuple[str, str]], settings: list[tuple[str, str]]
) -> None:
    stage = GrowingStage.of(begin(image(*map("=".join, base))))
    expected = list(stage.state().config.env)
    for name, value in settings:
        stage.env.set(name, value)
        known = [entry.partition("=")[0] for entry in expected]
        place = known.index(name) if name in known else len(known)
        expected[place : place + 1] = [f"{name}={value}"]
    assert list(stage.state().config.env) == expected


def test_a_state_that_was_returned_does_not_change_any_more() -> None:
    first = GrowingStage.of(begin(image("PATH=/bin"))).state()
    second = GrowingStage.of(inherit(first))
    second.labels["a"] = "b"
    second.args["c"] = None
    second.environment.set("d", "e")
    assert (dict(first.config.labels), dict(first.args)) == ({}, {})
    assert first.environment == {"PATH": "/bin"}
