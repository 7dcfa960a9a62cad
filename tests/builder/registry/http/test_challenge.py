import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.registry.http.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ("", ()),
        ("Basic", (Challenge("basic", {}),)),
        ('Basic realm="a, b"', (Challenge("basic", {"realm": "a, b"}),)),
        (
            'BEARER Realm="https://x/t",service=s',
            (Challenge("bearer", {"realm": "https://x/t", "service": "s"}),),
        ),
        (
            'Bearer realm="r",scope="repository:a:pull,push", Basic realm="b"',
            (
                Challenge("bearer", {"realm": "r", "scope": "repository:a:pull,push"}),
                Challenge("basic", {"realm": "b"}),
            ),
        ),
        ("Negotiate, Basic realm=b", (Challenge("negotiate", {}), Challenge("basic", {"realm": "b"}))),
        (r'Basic realm="a \"quoted\" word"', (Challenge("basic", {"realm": 'a "quoted" word'}),)),
        ('Bearer realm="r" , , error = "x"', (Challenge("bearer", {"realm": "r", "error": "x"}),)),
        ('Bearer realm="first",realm="second"', (Challenge("bearer", {"realm": "first"}),)),
        ('Basic realm="never ends', (Challenge("basic", {}),)),
    ],
)
def test_challenges_are_read(header: str, challenges: tuple[Challenge, ...]) -> None:
    assert parse_challenges(header) == challenges


@given(st.text())
def test_any_header_is_read_without_an_error(header: str) -> None:
    assert isinstance(parse_challenges(header), tuple)
    assert isinstance(parse_challenges(f"Bearer {header}"), tuple)
