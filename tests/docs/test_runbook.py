import re
from typing import Any

import pytest
import yaml

from support.pages import DOCS
from yadokari_api.reasons import StateReason, advice
from yadokari_contract.reasons import Reason

TEXT = (DOCS / "runbook.md").read_text()
ALERTS = yaml.safe_load((DOCS.parent / "kustomize/components/monitoring/alerts.yaml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
ANCHORS = [
    re.sub("[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
    for heading in re.findall("(?m)^## (.*)$", TEXT)
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_every_alert_leads_to_the_chapter_that_names_it(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page.endswith("/docs/runbook.md")
    chapters = dict(zip(ANCHORS, re.split("(?m)^## .*$", TEXT)[1:], strict=True))
    assert f"`{rule['alert']}`" in chapters[anchor]


@pytest.mark.parametrize("reason", [it for it in (*Reason, *StateReason) if advice(it)])
def test_every_reason_that_somebody_has_to_act_upon_is_in_a_chapter(reason: str) -> None:
    assert f"`{reason}`" in TEXT


def test_what_is_to_be_done_is_quoted_as_the_table_has_it() -> None:
    events = re.findall(r"(?ms)^ +Warning  (\w+)  (?:(?! {4}\$).)*?what to do: (.*?)$", TEXT)
    statuses = re.findall(r"(?m)^ +Status: .*\((\w+)\)\n +What to do:  (.*)$", TEXT)
    assert min(len(events), len(statuses)) > 7
    assert [(reason, said) for reason, said in (*events, *statuses) if said != advice(reason)] == []


def test_no_reason_is_named_that_there_is_not() -> None:
    named = set(re.findall("`([A-Z][A-Za-z]+)`", "\n".join(re.findall("(?m)^Reasons: (.*)$", TEXT))))
    assert named <= {*Reason, *StateReason}
