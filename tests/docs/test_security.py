from pathlib import Path
from typing import Any

import pytest
import yaml

from support import security
from support.pages import DOCS, read_table, spans

ROOT = Path(__file__).parents[2]
PROMISES = read_table("security.md", "What is promised").rows


def test_every_attack_is_in_the_table() -> None:
    assert security.table() in security.PAGE.read_text(), "run: PYTHONPATH=tests python -m support.security"


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
