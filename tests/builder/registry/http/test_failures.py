import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import HTTPError

from yadokari_builder.errors import ImageNotFoundError, RegistryError, UnauthorizedError
from yadokari_builder.registry.http.failures import MAX_MESSAGE, Refusal, failure, printable
from yadokari_builder.registry.http.retry import ThrottledError
from yadokari_builder.registry.http.transport import describe_failure


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"errors":[{"code":"DENIED","message":"no"},{"code":"XX"}]}', "DENIED: no; XX"),
        (b"plain words\n", "plain words"),
        (b"<html>a page</html>", ""),
        (b'{"other": 1}', ""),
        (b"", ""),
        (b"a\x1b]0;title\x07b\r\nc", "a ]0;title b  c"),
    ],
)
def test_a_registrys_message_is_read(body: bytes, message: str) -> None:
    assert Refusal.parse(body).message == message


@given(st.binary())
def test_any_body_gives_a_message_in_one_bounded_line(body: bytes) -> None:
    message = Refusal.parse(body).message
    assert message.isprintable()
    assert len(message) <= MAX_MESSAGE + 1


def test_a_registrys_codes_are_kept() -> None:
    body = (
        b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"m"},{"code":"no code"},{"code":7},{"code":"X_2"}]}'
    )
    refusal = Refusal.parse(body)
    assert refusal.codes == ("MANIFEST_UNKNOWN", "X_2")
    assert failure("x", 404, {}, refusal).codes == ("MANIFEST_UNKNOWN", "X_2")


def test_codes_without_end_are_bounded() -> None:
    errors = [{"code": f"CODE_{number}"} for number in range(1000)]
    assert len(Refusal.parse(json.dumps({"errors": errors}).encode()).codes) == 16


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "", ImageNotFoundError),
        (400, "MANIFEST_UNKNOWN", ImageNotFoundError),
        (404, "DENIED", UnauthorizedError),
        (400, "UNAUTHORIZED", UnauthorizedError),
        (403, "", UnauthorizedError),
        (400, "MANIFEST_INVALID", RegistryError),
        (500, "DENIED", RegistryError),
        (403, "TOOMANYREQUESTS", RegistryError),
        (404, "BLOB_UPLOAD_UNKNOWN", RegistryError),
        (400, "MANIFEST_BLOB_UNKNOWN", RegistryError),
    ],
)
def test_what_a_refusal_means_is_told_by_its_code_and_else_by_its_status(
    status: int, code: str, kind: type[RegistryError]
) -> None:
    error = failure("x", status, {}, Refusal("", (code,) if code else ()))
    assert type(error) is kind
    temporary = ("TOOMANYREQUESTS", "BLOB_UPLOAD_UNKNOWN", "MANIFEST_BLOB_UNKNOWN")
    assert error.temporary == (status == 500 or code in temporary)


@pytest.mark.parametrize(
    ("headers", "when"), [({}, "later"), ({"Retry-After": "30"}, "in 30 s"), ({"Retry-After": "x"}, "later")]
)
@pytest.mark.parametrize(("status", "codes"), [(429, ()), (403, ("TOOMANYREQUESTS",))])
def test_whoever_is_asked_too_often_is_told_of_with_what_to_do(
    status: int, codes: tuple[str, ...], headers: dict[str, str], when: str
) -> None:
    error = failure("x", status, headers, Refusal("", codes))
    assert f"(come back {when}, give credentials" in str(error)
    assert "come back" not in str(failure("x", 503, headers, Refusal()))


def test_a_secret_at_the_place_where_a_message_is_cut_does_not_show_in_part() -> None:
    body = ("a" * (MAX_MESSAGE - 6) + "hunter2hunter2").encode()
    assert Refusal.parse(body, ["hunter2hunter2"]).message == "a" * (MAX_MESSAGE - 6) + "***"


def test_long_texts_are_cut() -> None:
    assert printable("a" * 100, 10) == "a" * 10 + "…"


@pytest.mark.parametrize("value", ["3", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_is_seconds_or_a_date(value: str) -> None:
    error = failure("x", 503, {"Retry-After": value}, Refusal())
    assert isinstance(error, ThrottledError)
    assert error.retry_after >= 0


@pytest.mark.parametrize("value", ["", "soon", "-1", "٣"])
def test_other_values_of_retry_after_are_left_out(value: str) -> None:
    assert not isinstance(failure("x", 503, {"Retry-After": value}, Refusal()), ThrottledError)


def test_what_answers_in_no_protocol_cannot_steer_a_terminal() -> None:
    assert describe_failure(HTTPError("\x1b[2J\nfake line")) == " [2J fake line"
