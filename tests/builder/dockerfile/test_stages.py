import pytest

from yadokari_builder.dockerfile.instructions import Copy, Mount, Run
from yadokari_builder.dockerfile.listener import Listener
from yadokari_builder.dockerfile.location import Location
from yadokari_builder.dockerfile.parser import parse, parse_onbuild
from yadokari_builder.dockerfile.stages import StageGraph
from yadokari_builder.errors import DockerfileError
from yadokari_builder.oci.platform import Platform


def graph(text: str, **meta_env: str) -> StageGraph:
    return StageGraph.of(parse(text), meta_env, Platform("linux", "amd64"), Listener())


def reachable(text: str, target: str = "", **meta_env: str) -> list[int]:
    stages = graph(text, **meta_env)
    triggers = {stage.index: stages.triggers_for(stage) for stage in stages.stages}
    return [stage.index for stage in stages.reachable([stages.target(target)], triggers)]


def test_only_what_the_target_needs_is_reachable() -> None:
    text = """
        FROM a AS base
        FROM a AS unused
        FROM base AS tools
        FROM scratch AS files
        FROM base
        COPY --from=Tools /x /y
        RUN --mount=from=files,target=/z cat /z
    """
    assert reachable(text) == [0, 2, 3, 4]
    assert reachable(text, "TOOLS") == reachable(text, "2") == [0, 2]


def test_a_variable_may_choose_the_base() -> None:
    text = "FROM x AS one\nFROM y AS two\nFROM $choice\n"
    assert reachable(text, choice="one") == [0, 2]
    assert reachable(text, choice="two") == [1, 2]


def test_a_base_is_an_earlier_stage_whatever_its_case() -> None:
    stages = graph("FROM b AS a\nFROM a AS a\nFROM a AS b\nFROM A\nFROM b")
    bases = [stages.base_of(stage) for stage in stages.stages]
    assert [base and base.index for base in bases] == [None, 0, 1, 1, 2]


def test_copy_takes_an_index_a_name_or_an_image_and_a_mount_no_index() -> None:
    stages = graph("FROM x AS a\nFROM y")
    first = stages.stages[0]
    sources = [stages.source_of_copy(Copy(("b",), "c", from_=name)) for name in ("", "0", "A", "debian")]
    assert sources == [None, first, first, "debian"]
    assert [stages.source_of_mount(Mount(from_=name)) for name in ("", "a", "0")] == [None, first, "0"]


def test_triggers_of_a_stage_run_in_the_stages_built_on_it() -> None:
    text = "FROM x AS data\nFROM x AS base\nONBUILD COPY --from=data /a /b\nFROM base\nRUN c\n"
    stages = graph(text)
    assert isinstance(stages.triggers_for(stages.stages[2])[0], Copy)
    assert reachable(text) == [0, 1, 2]
    assert reachable(text, "base") == [1]


def test_triggers_of_an_image_may_need_stages_too() -> None:
    stages = graph("FROM x AS data\nFROM y")
    triggers = parse_onbuild(["COPY --from=data /a /b"], Location())
    needed = stages.reachable([stages.target("")], {1: triggers})
    assert [stage.index for stage in needed] == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM x\nCOPY --from=1 a b", "invalid stage index 1"),
        ("FROM x\nCOPY --from=$a a b", "variable expansion is not supported for --from, define a new stage "
         "with FROM using ARG from global scope as a workaround"),
        ("FROM x AS a\nCOPY --from=a a b", "circular dependency detected on stage: a"),
        ("FROM x AS a\nCOPY --from=b a b\nFROM x AS b\nRUN --mount=from=a,target=/c d",
         "circular dependency detected on stage: a"),
    ],
)  # fmt: skip
def test_sources_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as refused:
        reachable(text)
    assert (refused.value.message, refused.value.line) == (message, 2)


def test_an_unknown_target_is_refused_with_a_suggestion() -> None:
    with pytest.raises(DockerfileError) as refused:
        graph("FROM x AS build\nFROM y").target("biuld")
    assert refused.value.message == 'target stage "biuld" could not be found (did you mean build?)'


def test_thousands_of_stages_are_no_trouble() -> None:
    text = "\n".join(f"FROM x AS s{index}\nCOPY --from=s{index + 1} a b" for index in range(3000))
    assert len(graph(text).stages) == 3000


def test_before_expansion_a_run_knows_where_its_mounts_come_from() -> None:
    (run,) = parse("FROM a\nRUN --mount=from=b,target=$x c").stages[0].instructions
    assert isinstance(run, Run)
    assert run.mounts == (Mount(from_="b"),)
