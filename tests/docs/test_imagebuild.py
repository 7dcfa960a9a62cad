import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import pytest
import yaml

from support.lives import built, failed, started
from support.pages import DOCS, read_table, spans
from support.resources import NOW, image_build
from yadokari_api.conditions import ConditionType
from yadokari_api.keys import ANNOTATION_REBUILD
from yadokari_api.pod.executor import EXTRA_FLAGS
from yadokari_api.reasons import StateReason, advice
from yadokari_api.spec import DEFAULT_RETRIES, PodRetention
from yadokari_api.status import LONGEST_HISTORY, BuildFailure, RunReason, RunResult
from yadokari_contract.flags import FLAGS
from yadokari_contract.reasons import Reason, Retry
from yadokari_operator import reports
from yadokari_operator.crd import crd, policy_crd
from yadokari_operator.settings import LOG_FORMATS, LOG_LEVELS, Settings

Schema = dict[str, Any]
_AS_IN_A_POD = (
    "executor.affinity.",
    "executor.topologySpreadConstraints[].",
    "namespaceSelector.",
    "defaults.tolerations[].",
)


def schemas(part: str, definition: Callable[[], Schema] = crd) -> dict[str, Schema]:
    """By its path, such as destinations[].image, every field of the spec or the status."""
    resource = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return dict(_below("", resource["properties"][part]))


def _below(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}", field
        yield from _below(f"{path}{name}.", field)
        yield from _below(f"{path}{name}[].", field.get("items", {}))


def rows(heading: str) -> dict[str, tuple[str, ...]]:
    """By each field that it is about, the other cells of a row."""
    return {
        field: tuple(cells)
        for names, *cells in read_table("imagebuild.md", heading).rows
        for field in spans(names)
    }


def holder(field: str) -> str:
    """The field that another one is a part of; none for one at the top."""
    return field.rpartition(".")[0].removesuffix("[]")


def is_ours(field: str) -> bool:
    """Whether it is no part of what is a pod's, whose documentation tells."""
    return not field.startswith(_AS_IN_A_POD)


def bounds(schema: Schema) -> str:
    """How many or how much a field may hold; names and references have a form instead."""
    rules = [rule["rule"] for rule in schema.get("x-kubernetes-validations", [])]
    for rule in rules:
        if limits := re.findall(r"duration\('(\w+)'\)", rule):
            return " to ".join(f"`{limit}`" for limit in limits)
    if "maximum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    for kind, unit in (("Items", ""), ("Properties", ""), ("Length", " characters")):
        if f"max{kind}" in schema and not any(rule.startswith("self.matches") for rule in rules):
            least, most = schema.get(f"min{kind}"), schema[f"max{kind}"]
            return (f"{least} to {most}" if least else f"up to {most}") + unit
    return ""


class Asked(Mapping[str, str]):
    """An environment without variables that remembers which it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


SPEC, STATUS, POLICY = schemas("spec"), schemas("status"), schemas("spec", policy_crd)


@pytest.mark.parametrize(
    ("fields", "heading"),
    [(SPEC, "Spec"), (STATUS, "Status"), (POLICY, "Policies")],
    ids=["spec", "status", "policy"],
)
def test_every_field_has_a_row_or_is_named_in_the_row_of_the_field_that_holds_it(
    fields: dict[str, Schema], heading: str
) -> None:
    documented = rows(heading)
    assert documented.keys() - fields.keys() == set()
    for field in filter(is_ours, fields.keys() - set(map(holder, fields))):
        meaning = documented.get(holder(field), ("",))[0]
        assert field in documented or field.rpartition(".")[2] in spans(meaning), field


@pytest.mark.parametrize("field", rows("Spec"))
def test_bounds_and_defaults_are_those_of_the_page(field: str) -> None:
    _, documented_bounds, default = rows("Spec")[field]
    assert documented_bounds == bounds(SPEC[field])
    if "default" in SPEC[field]:
        assert list(map(yaml.safe_load, spans(default))) == [SPEC[field]["default"]]


def test_the_phases_are_those_of_the_page() -> None:
    assert spans(rows("Status")["phase"][0]) == STATUS["phase"]["enum"]


def test_the_conditions_of_each_state_are_those_of_the_page() -> None:
    table, build = read_table("imagebuild.md", "Conditions"), image_build()
    waits, works = started(), reports.building(build, started(), NOW)
    lacks = reports.blocked(build, started(), NOW, StateReason.SECRET_NOT_FOUND, "it is not there")
    again = reports.retrying(build, works, NOW, BuildFailure(reason="PushFailed", message="503"))
    states = [
        [waits, works],
        [lacks, again],
        [built(works)],
        [failed("StepFailed")],
        [reports.suspended(build, works, NOW)],
        [reports.forbidden(build, built(works), NOW)],
    ]
    kinds = [kind for cell in table.head[1:] for kind in spans(cell)]
    for (what, *told), found in zip(table.rows, states, strict=True):
        for status in found:
            truths = {it.type: it.status for it in status.conditions}
            assert truths.keys() == {*kinds}
            for kind, truth in zip(kinds, told, strict=True):
                # After a change that is forbidden, what came of the build before stands.
                assert truth in (truths[kind], "of that build"), (what, kind)
    (rest,) = {*get_args(ConditionType)} - {*kinds}
    assert f"\n`{rest}` is True while" in (DOCS / "imagebuild.md").read_text()


def test_every_reason_is_on_the_page_and_no_other() -> None:
    assert rows("Reasons").keys() == {*Reason, *StateReason}


@pytest.mark.parametrize("reason", [*Reason, *StateReason])
def test_what_to_do_about_a_reason_is_what_the_page_says(reason: Reason | StateReason) -> None:
    _, follows, to_do = rows("Reasons")[reason]
    assert to_do == advice(reason)
    if reason.retry is Retry.NEVER:
        assert follows == ""


def test_the_flags_that_a_spec_may_add_are_those_of_the_page_and_of_the_executor() -> None:
    documented = spans(rows("Spec")["executor.extraArgs"][0].partition(": ")[2])
    assert documented == list(EXTRA_FLAGS)
    assert {*EXTRA_FLAGS} <= {flag.name for flag in FLAGS if flag.field}


def test_as_many_runs_are_told_as_the_page_says() -> None:
    assert f"the last {LONGEST_HISTORY} runs" in rows("Status")["history"][0]


@pytest.mark.parametrize(("field", "choices"), [("run.reason", RunReason), ("history", RunResult)])
def test_why_runs_begin_and_how_they_end_is_what_the_page_says(field: str, choices: Any) -> None:
    assert set(get_args(choices)) <= {*spans(rows("Status")[field][0])}


def test_what_starts_a_build_is_what_the_page_names() -> None:
    assert ANNOTATION_REBUILD in (DOCS / "imagebuild.md").read_text()


def test_how_long_pods_are_kept_is_what_the_page_says() -> None:
    kept, documented = PodRetention(), rows("Spec")
    assert spans(documented["podRetention.succeeded"][2]) == [kept.succeeded]
    assert spans(documented["podRetention.failed"][2]) == [kept.failed]


def test_a_build_is_tried_again_as_often_as_the_page_says() -> None:
    assert rows("Reasons")["PushFailed"][1].startswith(f"{DEFAULT_RETRIES} more attempts")


def test_the_settings_are_those_of_the_page() -> None:
    asked = Asked()
    settings = Settings.from_environment(asked)
    documented = rows("Settings of the operator")
    # The others are everybody's, and stand below.
    assert documented.keys() == {name for name in asked.names if name.startswith("YADOKARI_")}
    for variable, (_, default) in documented.items():
        value = getattr(settings, variable.removeprefix("YADOKARI_").lower())
        assert spans(default) == ([str(value)] if value not in ("", (), None) else []), variable


@pytest.mark.parametrize(
    ("variable", "choices"), [("YADOKARI_LOG_LEVEL", LOG_LEVELS), ("YADOKARI_LOG_FORMAT", LOG_FORMATS)]
)
def test_the_choices_of_a_setting_are_those_of_the_page(variable: str, choices: tuple[str, ...]) -> None:
    assert spans(rows("Settings of the operator")[variable][0]) == list(choices)
