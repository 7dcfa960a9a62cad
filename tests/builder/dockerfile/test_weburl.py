import pytest

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.urls import check_url


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "https://h/a/b.tar.gz?token=%zz#x",
        "http://u:p@h:65535/x",
        "http://[::1]:80/x",
        "http://h:/x",
        "http://é/é",
        "http://h/a b/%41%2F..%2Fb",
        "http://h/",
    ],
)
def test_what_a_server_can_be_asked_for_is_a_url(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://", 'parse "http://": http: no Host in request URL'),
        ("http:///a", 'parse "http:///a": http: no Host in request URL'),
        ("http://:80/a", 'parse "http://:80/a": http: no Host in request URL'),
        ("http://a b/", 'parse "http://a b/": invalid character " " in host name'),
        ("http://h^/", 'parse "http://h^/": invalid character "^" in host name'),
        ("http://[::1/", 'parse "http://[::1/": invalid host'),
        ("http://h:x/", 'parse "http://h:x/": invalid port ":x" after host'),
        ("http://h:1:2/", 'parse "http://h:1:2/": invalid port ":1:2" after host'),
        ("http://h:65536/", 'parse "http://h:65536/": address 65536: invalid port'),
        (
            "http://h:" + "0" * 5000 + "65536/",
            'parse "http://h:' + "0" * 5000 + '65536/": address ' + "0" * 20 + ": invalid port",
        ),
        ("http://h/%zz", 'parse "http://h/%zz": invalid URL escape "%zz"'),
        ("http://h/%", 'parse "http://h/%": invalid URL escape "%"'),
        ("http://h/\x01", 'parse "http://h/\\x01": net/url: invalid control character in URL'),
        ("http://h/a%00b", 'parse "http://h/a%00b": no file can be named "a\\x00b"'),
        ("http://h/a/..", 'parse "http://h/a/..": no file can be named ".."'),
        ("http://h/%2e%2e/", 'parse "http://h/%2e%2e/": no file can be named ".."'),
    ],
)
def test_other_urls_are_refused_with_the_reason(url: str, message: str) -> None:
    with pytest.raises(LanguageError) as refused:
        check_url(url)
    assert refused.value.message == message


def test_an_error_shows_nothing_that_may_be_secret() -> None:
    with pytest.raises(LanguageError) as refused:
        check_url("http://me:secret@h:x/a@b?token=secret#secret")
    assert refused.value.message == 'parse "http://h:x/a@b": invalid port ":x" after host'
