"""COPY and ADD, understood: what is taken from where, as BuildKit's dispatchCopy has it.

The instructions are expanded ones. Whatever is wrong with one is found here and not when files are copied.
"""

import posixpath

from yadokari_builder.dockerfile.checksum import Checksum
from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.filepath_match import compile_glob, has_wildcards, split_wildcards
from yadokari_builder.dockerfile.gitref import GitRef, git_source, with_checksum
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Add, Copy
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.urls import check_url, is_url
from yadokari_builder.plan.steps import (
    Copied,
    CopyAction,
    GitFiles,
    InlineFile,
    LocalFiles,
    LocalPaths,
    Source,
    WebFile,
)
from yadokari_builder.rootfs.paths import normalise


def read_copy(instruction: Copy | Add, source: Source, working_dir: str) -> CopyAction:
    """Return what a COPY or ADD does; raises LanguageError."""
    mode = ModeChange.parse(instruction.chmod) if instruction.chmod else None
    if isinstance(instruction, Copy):
        files = tuple(_copied(instruction, word) for word in instruction.sources)
    else:
        _check_checksum(instruction)
        files = tuple(_added(instruction, word) for word in instruction.sources)
    heredocs = (InlineFile(heredoc.name, heredoc.content) for heredoc in instruction.heredocs)
    return CopyAction(
        copied=(*files, *heredocs),
        source=source,
        destination=destination_path(instruction.destination, working_dir),
        owner=instruction.chown,
        mode=mode,
        exclude=IgnorePatterns.of(instruction.exclude) if instruction.exclude else None,
        is_linked=instruction.is_linked,
    )


def destination_path(word: str, working_dir: str) -> str:
    """Return an absolute destination; a slash, or a slash and a dot, at its end stay: they ask for a folder.

    Nothing and `.` are the working directory.
    """
    if word in ("", "."):
        word = "./"
    path = normalise(posixpath.join("/", working_dir, word))
    if word.endswith("/"):
        return path.rstrip("/") + "/"
    return path.rstrip("/") + "/." if word.endswith("/.") else path


def _copied(copy: Copy, word: str) -> Copied:
    if git_source(word):
        raise LanguageError("source can't be a git ref for COPY", word)
    if is_url(word):
        raise LanguageError("source can't be a URL for COPY", word)
    return _with_parents(word) if copy.parents else LocalFiles(_checked(normalise(word)))


def _added(add: Add, word: str) -> Copied:
    if ref := git_source(word):
        return _git(add, ref)
    if is_url(word):
        check_url(word)
        checksum = Checksum.parse(add.checksum) if add.checksum else None
        return WebFile(word, checksum, unpack=add.unpack is True)
    return LocalFiles(_checked(normalise(word)), unpack=add.unpack is not False)


def _git(add: Add, ref: GitRef) -> GitFiles:
    if add.unpack is not None:
        raise LanguageError(
            "--unpack is for archives: a git source comes as files; remove the flag", "--unpack"
        )
    keeps = ref.keep_git_dir
    if None not in (keeps, add.keep_git_dir) and keeps != add.keep_git_dir:
        raise LanguageError("inconsistent keep-git-dir configuration", "--keep-git-dir")
    keeps = add.keep_git_dir if keeps is None else keeps
    return GitFiles(with_checksum(ref, add.checksum), bool(keeps))


def _check_checksum(add: Add) -> None:
    if not add.checksum:
        return
    if len(add.sources) != 1:
        raise LanguageError("checksum can't be specified for multiple sources", "--checksum")
    if not (git_source(add.sources[0]) or is_url(add.sources[0])):
        raise LanguageError("checksum requires HTTP(S) or Git sources", "--checksum")


def _with_parents(word: str) -> LocalPaths:
    top, pivot, pattern = word.partition("/./")
    if not pivot:
        top, pattern = "", word
    top, pattern = normalise(top), normalise(pattern)
    required = "" if has_wildcards(top + pattern) else normalise(top + pattern)
    return LocalPaths(_checked(top), IgnorePatterns.of([pattern[1:]]), required)


def _checked(path: str) -> str:
    """Return a path whose wildcards are well formed."""
    compile_glob(split_wildcards(path)[1])
    return path
