from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_imagebuild.build import FAILED, SUCCEEDED, Build
from kubectl_imagebuild.verbs.describe import described
from kubectl_imagebuild.writing import fit, span, table, width
from yadokari_api.status import FINISHED

_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["status", "spec", "metadata", "run", "pod", "failure", "steps", "name", "context"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def test_a_build_has_ended_where_the_api_says_so() -> None:
    assert {SUCCEEDED, FAILED} == FINISHED


@pytest.mark.parametrize(
    ("metadata", "status", "phase"),
    [
        ({"generation": 2}, {"observedGeneration": 2, "phase": "Succeeded"}, "Succeeded"),
        ({"generation": 3}, {"observedGeneration": 2, "phase": "Succeeded"}, "Pending"),
        (
            {"generation": 2, "annotations": {"yadokari.dev/rebuild-requested-at": "now"}},
            {"observedGeneration": 2, "phase": "Succeeded", "rebuildRequestedAt": "before"},
            "Pending",
        ),
        ({"generation": 1}, {}, "Pending"),
    ],
)
def test_what_came_of_an_earlier_request_is_not_taken_for_this_one(
    metadata: dict[str, Any], status: dict[str, Any], phase: str
) -> None:
    assert Build({"metadata": metadata, "status": status}).phase == phase


@pytest.mark.parametrize("name", ["--kubeconfig=/x", "-f", "a b", "A", "", "x/y"])
def test_a_pod_whose_name_is_none_is_no_pod(name: Any) -> None:
    assert Build({"status": {"run": {"pod": name}}}).pods == []


def test_each_step_that_was_not_in_the_cache_says_why_on_a_line_of_its_own() -> None:
    misses = ["COPY src .: 1 file changed, first a\nb\x1b[2J", {}, "RUN make: it sees other variables"]
    lines = [*described(Build({"status": {"steps": {"misses": misses}}}), [])]
    begin = lines.index("Not in the cache:") + 1
    assert lines[begin].startswith("  COPY src .: 1 file changed, first a")
    assert "\x1b" not in lines[begin]
    assert lines[begin + 1] == "  RUN make: it sees other variables"


@given(_ANYTHING)
def test_whatever_the_cluster_holds_it_can_be_described(resource: Any) -> None:
    build = Build(resource if isinstance(resource, dict) else {"status": resource, "spec": resource})
    for line in described(build, []):
        assert "\x1b" not in line
        assert "\n" not in line


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"stage": "build"}, "debian@sha256:12: stage build was built in its own container"),
        ({"message": "it has a VOLUME"}, "debian@sha256:12: it has a VOLUME"),
        ({"platform": "linux/amd64"}, "linux/amd64: debian@sha256:12"),
    ],
)
def test_what_came_of_a_base_is_told(told: dict[str, str], text: str) -> None:
    build = Build({"status": {"run": {"number": 2}, "lodging": [{"image": "debian@sha256:12", **told}]}})
    (line,) = [line for line in described(build, []) if line.startswith("Base:")]
    assert line.split(maxsplit=1)[1] == text


@pytest.mark.parametrize(
    ("run", "text"), [({"number": 2, "reason": "Created"}, "2, Created"), ({"number": 2}, "2")]
)
def test_a_run_that_did_not_begin_has_no_reason(run: dict[str, Any], text: str) -> None:
    (line,) = [line for line in described(Build({"status": {"run": run}}), []) if line.startswith("Run:")]
    assert line.split(maxsplit=1)[1] == text


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40), st.integers(1, 50))
def test_a_text_is_cut_to_its_columns(text: str, columns: int) -> None:
    assert width(fit(text, columns)) <= columns
    assert width(text) > columns or fit(text, columns) == text


def test_numbers_are_written_as_kubectl_writes_them() -> None:
    assert [span(seconds) for seconds in (5, 119, 150, 600, 10_800, 12_000, 90_000, 200_000)] == [
        *("5s", "119s", "2m30s", "10m", "3h0m", "3h20m", "25h", "2d"),
    ]
    assert table(("A", "B"), [("日本", "x"), ("a", "")]) == ["A      B", "日本   x", "a"]
