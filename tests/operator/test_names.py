import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_operator.pods import names

RUN = "0123456789"
resource_names = st.from_regex(r"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z").filter(
    lambda name: len(name) <= 253
)


def test_names_tell_the_build_its_run_and_the_attempt() -> None:
    assert names.dockerfile_name("app", RUN) == "app-0123456789"
    assert names.context_name("app", RUN) == "app-0123456789-context"
    assert names.pod_name("app", RUN, 3) == "app-0123456789-3"
    assert names.label_value("app") == "app"


long_names = st.text("a.-", min_size=80, max_size=250).map(lambda text: f"a{text}a")
runs = st.text("0123456789abcdef", min_size=10, max_size=10)


@given(resource_names | long_names, runs, st.integers(1, 10**9 - 1))
def test_a_name_is_read_as_it_was_written(name: str, run: str, attempt: int) -> None:
    for part in ("", "linux-amd64", "linux-arm-v7"):
        assert names.parse_pod_name(name, names.pod_name(name, run, attempt, part)) == (run, attempt, part)
    assert names.parse_config_map_name(name, names.dockerfile_name(name, run)) == run
    assert names.parse_config_map_name(name, names.context_name(name, run)) == run
    for verb in names.ERRANDS:
        errand = names.errand_name(name, verb, run, attempt)
        assert names.parse_errand_name(name, errand) == (verb, run, attempt)
        assert names.parse_pod_name(name, errand) is None


@pytest.mark.parametrize(
    "name",
    ["app", f"app-{RUN}", f"app-{RUN}-0", f"app-{RUN}-01", f"app-{RUN}-1\n", f"b-{RUN}-1", f"-{RUN}-1"],
)
def test_a_pod_of_another_name_is_not_ours(name: str) -> None:
    assert names.parse_pod_name("app", name) is None


@pytest.mark.parametrize("name", ["app", f"app-{RUN}-1", f"app-{RUN}-context-", f"b-{RUN}", f"app-{RUN[:9]}"])
def test_a_config_map_of_another_name_is_not_ours(name: str) -> None:
    assert names.parse_config_map_name("app", name) is None


@given(
    resource_names | long_names,
    st.integers(1, 10**6),
)
def test_every_name_fits_a_label_and_a_host_name(name: str, attempt: int) -> None:
    for made in (
        names.pod_name(name, RUN, attempt),
        names.dockerfile_name(name, RUN),
        names.context_name(name, RUN),
        names.label_value(name),
    ):
        assert len(made) <= 63
        assert re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", made)


def test_long_names_that_begin_alike_stay_apart() -> None:
    one, two = "a" * 100 + "1", "a" * 100 + "2"
    assert names.pod_name(one, RUN, 1) != names.pod_name(two, RUN, 1)
    assert names.label_value(one) != names.label_value(two)
