from yadokari_builder.dockerfile.urls import is_url, without_credentials


def test_a_url_is_one_of_the_web() -> None:
    words = ["http://a", "https://a/b", "ftp://a", "a/http://b", "HTTP://a"]
    assert list(filter(is_url, words)) == ["http://a", "https://a/b"]


def test_a_url_is_shown_without_what_may_be_secret() -> None:
    assert without_credentials("https://me:pw@h:8/a?token=t#f") == "https://h:8/a"
