import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import HTTPError

from yadokari_builder.registry.http.failures import MAX_MESSAGE, failure, printable, registry_message
from yadokari_builder.registry.http.retry import ThrottledError
from yadokari_builder.registry.http.transport import describe_failure


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"errors":[{"code":"DENIED","message":"no"},{"code":"X"}]}', "DENIED: no; X"),
        (b"plain words\n", "plain words"),
        (b"<html>a page</html>", ""),
        (b'{"other": 1}', ""),
        (b"", ""),
        (b"a\x1b]0;title\x07b\r\nc", "a ]0;title b  c"),
    ],
)
def test_a_registrys_message_is_read(body: bytes, message: str) -> None:
    assert registry_message(body) == message


@given(st.binary())
def test_any_body_gives_a_message_in_one_bounded_line(body: bytes) -> None:
    message = registry_message(body)
    assert message.isprintable()
    assert len(message) <= MAX_MESSAGE + 1


def test_long_texts_are_cut() -> None:
    assert printable("a" * 100, 10) == "a" * 10 + "…"


@pytest.mark.parametrize("value", ["3", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_is_seconds_or_a_date(value: str) -> None:
    error = failure("x", 503, {"Retry-After": value}, "")
    assert isinstance(error, ThrottledError)
    assert error.retry_after >= 0


@pytest.mark.parametrize("value", ["", "soon", "-1", "٣"])
def test_other_values_of_retry_after_are_left_out(value: str) -> None:
    assert not isinstance(failure("x", 503, {"Retry-After": value}, ""), ThrottledError)


def test_what_answers_in_no_protocol_cannot_steer_a_terminal() -> None:
    assert describe_failure(HTTPError("\x1b[2J\nfake line")) == " [2J fake line"
