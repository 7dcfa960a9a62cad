import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubectl_imagebuild.manifest import as_json, as_yaml

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    [
        "yes",
        "1e3",
        "0x1",
        "~",
        "a: b",
        "a #b",
        "- a",
        "a:",
        "\ttab\n",
        "a\n b\n",
        " a\nb",
        "a\n\n",
        "a\nb",
        "=",
        "{{ x }}",
    ]
)
_VALUES = st.recursive(
    _TEXTS | st.booleans() | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.long
@given(st.dictionaries(_TEXTS, _VALUES, min_size=1, max_size=4))
def test_what_is_written_as_yaml_is_read_as_the_same(resource: dict[str, Any]) -> None:
    assert yaml.safe_load(as_yaml([resource])) == resource


def test_a_dockerfile_stands_there_as_it_was_written() -> None:
    made = as_yaml(
        [{"kind": "ImageBuild", "spec": {"dockerfile": "FROM x\nRUN <<E\n\n  a\nE\n"}}, {"kind": "B"}]
    )
    assert made == (
        "kind: ImageBuild\nspec:\n  dockerfile: |\n    FROM x\n    RUN <<E\n\n      a\n    E\n---\nkind: B\n"
    )


def test_several_resources_are_a_list_in_json() -> None:
    assert json.loads(as_json([{"kind": "A"}])) == {"kind": "A"}
    assert json.loads(as_json([{"kind": "A"}, {"kind": "B"}]))["items"] == [{"kind": "A"}, {"kind": "B"}]
