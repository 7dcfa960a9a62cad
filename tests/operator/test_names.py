import re

from hypothesis import given
from hypothesis import strategies as st

from yadokari_operator.pods import names

HASH = "0123456789abcdef" * 4
resource_names = st.from_regex(r"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z").filter(
    lambda name: len(name) <= 253
)


def test_names_tell_the_build_its_inputs_and_the_attempt() -> None:
    assert names.dockerfile_name("app", HASH) == "app-0123456789"
    assert names.context_name("app", HASH) == "app-0123456789-context"
    assert names.pod_name("app", HASH, 3) == "app-0123456789-3"
    assert names.label_value("app") == "app"


@given(
    resource_names | st.text("a.-", min_size=80, max_size=250).map(lambda text: f"a{text}a"),
    st.integers(1, 10**6),
)
def test_every_name_fits_a_label_and_a_host_name(name: str, attempt: int) -> None:
    for made in (
        names.pod_name(name, HASH, attempt),
        names.dockerfile_name(name, HASH),
        names.context_name(name, HASH),
        names.label_value(name),
    ):
        assert len(made) <= 63
        assert re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", made)


def test_long_names_that_begin_alike_stay_apart() -> None:
    one, two = "a" * 100 + "1", "a" * 100 + "2"
    assert names.pod_name(one, HASH, 1) != names.pod_name(two, HASH, 1)
    assert names.label_value(one) != names.label_value(two)
