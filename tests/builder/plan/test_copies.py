"""What COPY and ADD take, and what is wrong with them before any file is looked at."""

import pytest

from yadokari_builder.dockerfile.checksum import Checksum
from yadokari_builder.dockerfile.gitref import GitRef
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Add, Copy
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.plan.copies import destination_path, read_copy
from yadokari_builder.plan.steps import (
    ContextSource,
    CopyAction,
    GitFiles,
    InlineFile,
    LocalFiles,
    LocalPaths,
    WebFile,
)

SUM = f"sha256:{'0' * 64}"
COMMIT = "0123456789012345678901234567890123456789"


def action(line: str) -> CopyAction:
    instruction = parse(f"FROM scratch\n{line}\n").stages[0].instructions[0]
    assert isinstance(instruction, Copy | Add)
    return read_copy(instruction, ContextSource(), "/w")


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("", "/w/"),
        (".", "/w/"),
        ("..", "/"),
        ("a", "/w/a"),
        ("a/", "/w/a/"),
        ("a/.", "/w/a/."),
        ("/a//b/../c", "/a/c"),
        ("/", "/"),
        ("../../..", "/"),
        ("//a", "/a"),
    ],
)
def test_a_destination_is_absolute_and_keeps_the_slash_that_asks_for_a_folder(word: str, path: str) -> None:
    assert destination_path(word, "/w") == path


@pytest.mark.parametrize(
    ("line", "copied"),
    [
        ("COPY ../a/./b* /", [LocalFiles("/a/b*")]),
        ("ADD a /", [LocalFiles("/a", unpack=True)]),
        ("ADD --unpack=false a /", [LocalFiles("/a")]),
        ("ADD https://h/a.tar /", [WebFile("https://h/a.tar")]),
        (f"ADD --unpack --checksum={SUM} http://h/a /", [WebFile("http://h/a", Checksum.parse(SUM), True)]),
        ("ADD https://h/p.git#v1 /", [GitFiles(GitRef("https://h/p.git", "v1"))]),
        ("ADD --keep-git-dir git@h:p /", [GitFiles(GitRef("git@h:p"), keeps_git_dir=True)]),
        (
            "ADD https://h/p.git?keep-git-dir=true /",
            [GitFiles(GitRef("https://h/p.git", keep_git_dir=True), keeps_git_dir=True)],
        ),
        (
            f"ADD --checksum={COMMIT} https://h/p.git /",
            [GitFiles(GitRef("https://h/p.git", checksum=COMMIT))],
        ),
        ("COPY a <<b c /\n1\nb", [LocalFiles("/a"), LocalFiles("/c"), InlineFile("b", "1\n")]),
        ("COPY github.com/a/b /", [LocalFiles("/github.com/a/b")]),
    ],
)
def test_sources_are_files_downloads_repositories_and_heredocs(line: str, copied: list[object]) -> None:
    assert list(action(line).copied) == copied


@pytest.mark.parametrize(
    ("word", "top", "pattern", "required"),
    [
        ("a/b", "/", "a/b", "/a/b"),
        ("a/./b/c", "/a", "b/c", "/a/b/c"),
        ("a/./b*", "/a", "b*", ""),
        ("a*/./b", "/a*", "b", ""),
    ],
)
def test_parents_are_kept_below_the_pivot(word: str, top: str, pattern: str, required: str) -> None:
    paths = LocalPaths(top, IgnorePatterns.of([pattern]), required)
    assert action(f"COPY --parents {word} /").copied == (paths,)


def test_flags_say_how_files_are_copied() -> None:
    copy = action("COPY --chown=a:5 --chmod=u+x --exclude=*.o --exclude=!a.o --link a b/")
    assert (copy.owner, copy.destination) == ("a:5", "/w/b/")
    assert copy.mode is not None
    assert copy.mode.apply(0o100644) == 0o744
    assert copy.exclude == IgnorePatterns.of(["*.o", "!a.o"])
    assert not copy.is_linked  # as BuildKit has it, --chmod stands against it
    assert action("COPY --link a b").is_linked


@pytest.mark.parametrize(
    ("line", "message", "culprit"),
    [
        ("COPY --chmod=999 a /", "invalid chmod parameter: '999'. it should be octal", "999"),
        ("COPY https://h/a /", "source can't be a URL for COPY", "https://h/a"),
        ("COPY https://h/a.git /", "source can't be a git ref for COPY", "https://h/a.git"),
        ("ADD https://[::1 /", 'parse "https://[::1": invalid host', "https://[::1"),
        ("COPY --exclude=[ a /", "syntax error in pattern: [", "["),
        ("COPY a[ /x/", "syntax error in pattern: a[", "a["),
        ("COPY --parents a[ /x/", "syntax error in pattern: a[", "a["),
        (f"ADD --checksum={SUM} a /", "checksum requires HTTP(S) or Git sources", "--checksum"),
        (
            f"ADD --checksum={SUM} http://h/a http://h/b /",
            "checksum can't be specified for multiple sources",
            "--checksum",
        ),
        ("ADD --checksum=md5:0 http://h/a /", "unsupported digest algorithm: md5:0", "md5:0"),
        ("ADD --checksum=v1 https://h/a.git /", 'invalid checksum "v1": a commit is expected', "v1"),
        (
            f"ADD --checksum=abcdefa https://h/a.git?checksum={COMMIT} /",
            f'checksum mismatch "abcdefa" != "{COMMIT}"',
            "abcdefa",
        ),
        ("ADD https://h/p.git?bad=x /", 'unexpected query "bad"', "bad=x"),
        ("COPY https://h/p.git?bad=x /", 'unexpected query "bad"', "bad=x"),
        (
            "ADD --keep-git-dir=false https://h/a.git?keep-git-dir=1 /",
            "inconsistent keep-git-dir configuration",
            "--keep-git-dir",
        ),
        ("ADD --unpack=false https://h/a.git /", "--unpack is for archives", "--unpack"),
    ],
)
def test_what_cannot_be_copied_is_refused(line: str, message: str, culprit: str) -> None:
    with pytest.raises(LanguageError) as refused:
        action(line)
    assert refused.value.message.startswith(message)
    assert refused.value.culprit == culprit


def test_what_stands_before_a_wildcard_is_no_pattern() -> None:
    assert action("COPY a]b/c*  /").copied == (LocalFiles("/a]b/c*"),)
