import pytest

from yadokari_contract.urls import path_of


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://a.test", ""),
        ("https://a.test:65535/", "/"),
        ("http://[::1]:4318/own?a=b", "/own"),
        ("HTTPS://a.test?a=b", ""),
        ("https://例え.テスト/own", "/own"),
    ],
)
def test_the_path_of_an_address_is_read(url: str, path: str) -> None:
    assert path_of(url) == path


@pytest.mark.parametrize(
    "url",
    [
        "a.test:4318",
        "ftp://a.test",
        "http://",
        "http://user:secret@a.test",
        "http://a.test:65536",
        "http://a.test:0",
        "http://a.test:https/",
        "http://[::1/",
        "http://%zz/",
        "http://a.test/a b",
        "http://a.test/a\nb",
    ],
)
def test_an_address_that_cannot_be_is_none(url: str) -> None:
    assert path_of(url) is None
