import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.collector import Collector
from yadokari_contract.telemetry.trace import Span, TraceContext, Value, written

CONTEXT = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), st.booleans())
def test_a_context_is_read_as_it_was_written(trace: bytes, span: bytes, is_sampled: bool) -> None:
    context = TraceContext(trace.hex(), span.hex(), is_sampled)
    is_one = any(trace) and any(span)
    assert TraceContext.parse(str(context)) == (context if is_one else None)


def test_a_context_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert TraceContext.parse(f"01-{CONTEXT.trace}-{CONTEXT.span}-03-more") == CONTEXT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"ff-{CONTEXT.trace}-{CONTEXT.span}-01",
        f"00-{CONTEXT.trace[1:]}-{CONTEXT.span}-01",
        "é" * 55,
    ],
)
def test_what_is_no_context_is_none(text: str) -> None:
    assert TraceContext.parse(text) is None


def test_whoever_knows_the_same_makes_the_same_context() -> None:
    assert TraceContext.derived("a") == TraceContext.derived("a")
    assert TraceContext.derived("a").trace != TraceContext.derived("b").trace
    assert CONTEXT.below("a") != CONTEXT.below("b")


@given(st.text(st.characters(), max_size=50), st.text(st.characters(), max_size=50), st.integers(0, 2**62))
def test_whatever_text_a_span_has_can_be_read(name: str, text: str, number: int) -> None:
    collector = Collector()
    about: dict[str, Value] = {"text": text + "\udc80", "number": number, "is": True, "share": 0.5}
    span = Span(
        context=CONTEXT, name=name.encode(errors="replace").decode(), start=1.5, end=1, attributes=about
    )
    collector.take(written([span], {"service.name": "a"}))
    (taken,) = collector.spans
    assert (taken.trace, taken.id, taken.parent) == (CONTEXT.trace, CONTEXT.span, "")
    assert (taken.start, taken.end, taken.error) == (1_500_000_000, 1_500_000_000, None)
    assert taken.attributes == about | {"text": text.encode(errors="replace").decode() + "?"}
    assert taken.resource == {"service.name": "a"}


def test_texts_are_bounded() -> None:
    collector = Collector()
    span = Span(
        context=CONTEXT, name="a", start=0, end=0, attributes={"a": "x" * 100_000}, error="y" * 100_000
    )
    assert len(written([span], {})) < 20_000
    collector.take(written([span], {}))
    assert set(collector.spans[0].error or "") == {"y"}
