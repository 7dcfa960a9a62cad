import pytest
import yaml

from support.pages import DOCS, read_table, spans
from yadokari_contract.arguments import parse_arguments
from yadokari_contract.flags import FLAGS, Flag, Kind
from yadokari_contract.reasons import SUCCESS, Reason
from yadokari_contract.results.lodging import NotLodged
from yadokari_contract.runtime import LOADED
from yadokari_contract.spec import COMPRESSION_LEVELS, BuildSpec
from yadokari_operator.pods import runtime

_REPEATED = {Kind.LIST, Kind.WORDS, Kind.PAIRS, Kind.OPTIONAL_PAIRS, Kind.PAIRS_OF_MANY, Kind.SETTINGS}


def documented() -> dict[str, tuple[list[str], str]]:
    """By its name, every flag's names and what its values are."""
    rows = read_table("executor.md", "Flags").rows
    return {spans(names)[0]: (spans(names), values) for names, values, _ in rows}


def ranges(flag: Flag) -> str:
    """The values of a flag that takes some only."""
    if flag.field == "compression_level":
        return ", ".join(
            f"`{name}` {levels[0]} to {levels[-1]}" for name, levels in COMPRESSION_LEVELS.items()
        )
    return ", ".join(f"`{choice}`" for choice in flag.choices)


def test_the_flags_that_are_supported_are_those_of_the_page() -> None:
    assert list(documented()) == [f"--{flag.name}" for flag in FLAGS]


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_a_flags_names_and_values_are_those_of_the_page(flag: Flag) -> None:
    names, text = documented()[f"--{flag.name}"]
    short = [f"-{flag.short}"] if flag.short else []
    alias = [f"--{flag.alias}"] if flag.alias else []
    assert names == [f"--{flag.name}", *short, *alias]
    values, *notes = text.split("; ")
    assert (values == "") == (flag.kind is Kind.SWITCH)
    assert ranges(flag) in ("", values)
    default = getattr(BuildSpec(), flag.field) if flag.field else None
    is_told = default and isinstance(default, str | int) and default is not True
    shown = [f"default `{default}`"] if is_told else []
    assert notes == shown + (["repeatable"] if flag.kind in _REPEATED else [])


def test_the_reasons_are_those_of_the_page() -> None:
    success, *rows = read_table("executor.md", "Exit codes and reasons").rows
    assert success == (str(SUCCESS), "", "done", "", "")
    assert [(code, reason, retry, actor) for code, reason, _, retry, actor in rows] == [
        (str(reason.exit_code), f"`{reason}`", reason.retry.value, reason.actor.value) for reason in Reason
    ]


def test_the_pod_with_a_runtime_that_steps_cannot_write_is_like_the_operators() -> None:
    section = (DOCS / "executor.md").read_text().partition("## A runtime that steps cannot write\n")[2]
    pod = yaml.safe_load(section.partition("\n\n")[2].partition("\n\n")[0])["spec"]
    image = pod["containers"][0]["image"]
    (ours,) = runtime.init_containers("InitContainer", image, {})
    (shown,) = pod["initContainers"]
    assert shown.items() <= ours.items()
    assert pod["containers"][0]["volumeMounts"][:4] == runtime.mounts("InitContainer")
    assert pod["volumes"][:2] == runtime.volumes("InitContainer", image)


def test_the_pod_of_a_bases_own_container_sets_all_variables_that_load_libraries_to_nothing() -> None:
    section = (DOCS / "executor.md").read_text().partition("## A base's own container\n")[2]
    pod = yaml.safe_load("    apiVersion" + section.partition("    apiVersion")[2].partition("\n\n")[0])
    (container,) = pod["spec"]["containers"]
    empty = {variable["name"] for variable in container["env"] if variable.get("value") == ""}
    assert empty == set(LOADED)
    spec = parse_arguments(container["args"], {})
    assert spec.lodging == container["image"]
    assert pod["spec"]["volumes"][:2] == runtime.volumes("InitContainer", "")
    assert container["volumeMounts"][:4] == runtime.mounts("InitContainer")


def test_the_reasons_for_unpacking_a_base_are_those_of_the_page() -> None:
    rows = read_table("executor.md", "A base's own container").rows
    assert [reason for reason, _ in rows] == [f"`{reason}`" for reason in NotLodged]
