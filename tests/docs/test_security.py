import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import security
from support.pages import DOCS, parse_table, read_table, spans

ROOT = Path(__file__).parents[2]
PROMISES = read_table("security.md", "What is promised").rows


ATTACKS = tuple(security.attacks())
TRIED = read_table("security.md", "What is tried")


def test_the_table_is_of_the_attacks_that_there_are() -> None:
    assert TRIED.head == security.COLUMNS
    blank = security.table([])
    assert [row[:2] for row in TRIED.rows] == [row[:2] for row in parse_table(blank).rows], security.__doc__


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.test)
def test_each_attack_was_tried_and_came_to_nothing_at_the_levels_that_it_is_for(
    attack: security.Attack,
) -> None:
    (counts,) = (row[2:] for row in rows_of(attack))
    assert all(count.isdecimal() for count in counts if count), counts
    shared, namespaces, either = map(bool, counts)
    assert (shared and namespaces) if is_at_both_levels(attack) else (shared or namespaces or either)


def rows_of(attack: security.Attack) -> list[tuple[str, ...]]:
    return [row for known, row in zip(ATTACKS, TRIED.rows, strict=True) if known == attack]


def is_at_both_levels(attack: security.Attack) -> bool:
    """Whether the test takes the level from the fixtures, and is not given a parameter of that name."""
    module = ast.parse((security.ATTACKS / attack.file).read_text())
    (test,) = (node for node in module.body if getattr(node, "name", "") == attack.test)
    assert isinstance(test, ast.FunctionDef)
    given = {
        node.value
        for each in test.decorator_list
        for node in ast.walk(each)
        if isinstance(node, ast.Constant)
    }
    return bool({argument.arg for argument in test.args.args} & {"kind", "isolation"} - given)


REPORT = """<testsuites><testsuite>
<testcase classname="tests.attack.test_x" name="test_a[1-shared]"><properties>
  <property name="level" value="shared"/></properties></testcase>
<testcase classname="tests.attack.test_x" name="test_a[2-shared]"><properties>
  <property name="level" value="shared"/></properties><failure message="no"/></testcase>
<testcase classname="tests.attack.test_x" name="test_b"><error/></testcase>
<testcase classname="tests.attack.test_x" name="test_c"><skipped/></testcase>
<testcase classname="tests.attack.test_x" name="test_d"/>
<testcase classname="tests.docs.test_y" name="test_e"/>
</testsuite></testsuites>"""


def test_a_report_tells_of_each_try_at_which_level_it_was_and_how_it_went() -> None:
    assert [(each.test, each.level, each.went_well) for each in security.tries(REPORT)] == [
        ("test_a", "shared", True),
        ("test_a", "shared", False),
        ("test_b", "either", False),
        ("test_d", "either", True),
    ]


def test_an_attack_that_did_not_go_well_stands_out() -> None:
    first = ATTACKS[0]
    made = [security.Try(first.file, first.test, "shared", went_well) for went_well in (True, False)]
    assert parse_table(security.table(made)).rows[0][2:] == ("**1 of 2**", "", "")


def test_an_attack_that_is_in_no_report_keeps_its_row() -> None:
    first, second, *_ = ATTACKS
    made = [security.Try(first.file, first.test, "shared", went_well=True)]
    known = {first.words: ("7", "7", ""), second.words: ("", "", "9")}
    rows = parse_table(security.table(made, known)).rows
    assert [row[2:] for row in rows[:2]] == [("1", "", ""), ("", "", "9")]


def test_attacks_are_told_apart_by_their_words() -> None:
    assert len({attack.words for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize(("promise", "tested"), PROMISES, ids=[promise[:40] for promise, _ in PROMISES])
def test_every_promise_names_tests_that_are_there(promise: str, tested: str) -> None:
    assert spans(tested) or "#what-is-tried" in tested, promise
    for path in spans(tested):
        assert (ROOT / path).is_file(), path


def test_the_keys_of_the_admission_policy_are_those_of_the_page() -> None:
    policy = (ROOT / "kustomize/components/admission/policy.yaml").read_text()
    (example,) = (it for it in examples() if it["kind"] == "ConfigMap")
    keys = [spans(key)[0] for key, *_ in read_table("security.md", "How to bound it").rows]
    assert keys == list(example["data"])
    assert all(f"variables.settings['{key}']" in policy for key in keys)


def test_the_example_of_a_network_policy_selects_the_executors() -> None:
    component = (ROOT / "kustomize/components/network-policy/network_policy.yaml").read_text()
    (example,) = (it for it in examples() if it["kind"] == "NetworkPolicy")
    labels = example["spec"]["podSelector"]["matchLabels"]
    assert yaml.safe_load(component)["spec"]["podSelector"]["matchLabels"] == labels


def examples() -> list[dict[str, Any]]:
    """The resources that the page shows."""
    blocks = (DOCS / "security.md").read_text().split("\n\n")
    return [yaml.safe_load(block) for block in blocks if block.startswith("    apiVersion:")]
