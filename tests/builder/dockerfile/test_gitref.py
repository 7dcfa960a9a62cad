import pytest

from yadokari_builder.dockerfile.gitref import GitRef, parse_git_ref
from yadokari_builder.dockerfile.location import LanguageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com/a/b.git", GitRef("https://example.com/a/b.git")),
        ("https://u:p@example.com/b.git#main:x/../y", GitRef("https://u:p@example.com/b.git", "main", "y")),
        ("http://example.com/b.git", GitRef("http://example.com/b.git")),
        ("git://example.com/b#c", GitRef("git://example.com/b", "c")),
        ("ssh://git@example.com/b", GitRef("ssh://git@example.com/b")),
        ("git@example.com:a/b.git#:c", GitRef("git@example.com:a/b.git", subdir="c")),
        ("github.com/a/b#c", GitRef("github.com/a/b", "c", looks_local=True)),
        (
            "https://example.com/b.git?branch=x&subdir=y&keep-git-dir&submodules=false&commit=ab",
            GitRef(
                "https://example.com/b.git",
                "refs/heads/x",
                "y",
                "ab",
                keep_git_dir=True,
                submodules=False,
            ),
        ),
    ],
)
def test_references_are_read(text: str, expected: GitRef) -> None:
    assert parse_git_ref(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a/b",
        "./a.git",
        "../a.git",
        "https://example.com/a",
        "ftp://example.com/a.git",
        "https://[/a.git",
        "https://example.com:x/a.git",
        "ssh://a b/c",
        "git://example.com/%zz",
        "https://é@example.com/a.git",
    ],
)
def test_other_sources_are_no_references(text: str) -> None:
    assert parse_git_ref(text) is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("ref=a&ref=b", 'query "ref" has multiple values'),
        ("ref=", 'query "ref" has no value'),
        ("who=me", 'unexpected query "who"'),
        ("mtime=now", 'invalid mtime value: "now" (must be "checkout" or "commit")'),
        ("submodules=perhaps", 'invalid submodules value: "perhaps"'),
        ("tag=a&branch=b", "branch conflicts with tag"),
        ("ref=b#c", 'ref conflicts: "c" vs "b"'),
        ("subdir=b#:c", 'subdir conflicts: "c" vs "b"'),
    ],
)
def test_queries_that_make_no_sense_are_refused(query: str, message: str) -> None:
    with pytest.raises(LanguageError) as refused:
        parse_git_ref(f"https://example.com/a.git?{query}")
    assert refused.value.message == message
