"""What was built, held to what was expected: each function yields what differs."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from support.cases.case import Case
from support.cases.run import Outcome
from yadokari_builder.rootfs.paths import resolve

_TYPES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo", stat.S_IFCHR: "char", stat.S_IFBLK: "block",
}  # fmt: skip


def problems(case: Case, outcome: Outcome) -> list[str]:
    """Return what differs; nothing if all is well."""
    found = list(_check_log(case.expected, outcome))
    if case.fails:
        return found if outcome.exit_code else ["the build succeeded", *found]
    if outcome.exit_code:
        return [f"the build failed with exit code {outcome.exit_code}", *found, outcome.log]
    found += _check_config(case.expected, outcome.layout.config)
    for path, expected in case.expected.get("files", {}).items():
        found += (f"{path}: {problem}" for problem in _check_file(expected, path, outcome.root))
    found += _check_names(case.expected, outcome.root)
    found += _check_secrecy(case.expected, outcome)
    if len(outcome.layout.layer_digests) != case.expected.get("diff_ids", len(outcome.layout.layer_digests)):
        found.append(f"there are {len(outcome.layout.layer_digests)} layers")
    return found


def _check_log(expected: Mapping[str, Any], outcome: Outcome) -> Iterator[str]:
    for text in expected.get("log", ()):
        if text not in outcome.log:
            yield f"the log lacks {text!r}:\n{outcome.log}"
    wanted = expected.get("error_any", ())
    if wanted and not any(text in outcome.log for text in wanted):
        yield f"the log holds none of {wanted}:\n{outcome.log}"


def _check_config(expected: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    for name, value in expected.get("config", {}).items():
        if problem := _difference(value, config["config"].get(name)):
            yield f"config.{name} {problem}"
    for name, value in expected.get("image", {}).items():
        if problem := _difference(value, config.get(name)):
            yield f"image.{name} {problem}"
    texts = expected.get("history", ())
    for text, entry in zip(reversed(texts), reversed(config["history"]), strict=False):
        if text not in entry.get("created_by", ""):
            yield f"the history has {entry.get('created_by')!r} in the place of {text!r}"


def _difference(expected: Any, got: Any) -> str:
    """Say how a value differs; `{"$operator": ...}` asks for less than equality."""
    operators = {
        "$contains": lambda want: _contains(got or (), want),
        "$absent": lambda want: not got,
        "$keys": lambda want: sorted(got or ()) == sorted(want),
        "$none_prefix": lambda want: not any(one.startswith(tuple(want)) for one in got or ()),
    }
    if isinstance(expected, dict) and operators.keys() & expected.keys():
        holds = all(operators[name](want) for name, want in expected.items())
    else:
        holds = expected == got or not (expected or got)
    return "" if holds else f"is {got!r} and not {expected!r}"


def _contains(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return all(got.get(name) == value for name, value in wanted.items())
    return all(one in got for one in wanted)


def _check_file(expected: Mapping[str, Any], path: str, root: Path) -> Iterator[str]:
    follows = expected.get("follow", expected.get("type") != "symlink")
    place = _place(root, path, follow=follows)
    if not os.path.lexists(place):
        yield "is not there"
        return
    status = place.lstat()
    seen = {
        "type": _TYPES[stat.S_IFMT(status.st_mode)],
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "uid": status.st_uid,
        "gid": status.st_gid,
        "size": status.st_size,
        "mtime": int(status.st_mtime),
    }
    for name in seen.keys() & expected.keys():
        if seen[name] != expected[name]:
            yield f"{name} is {seen[name]!r} and not {expected[name]!r}"
    if "target" in expected and os.readlink(place) != expected["target"]:
        yield f"leads to {os.readlink(place)}"
    if "same_inode_as" in expected:
        other = _place(root, expected["same_inode_as"], follow=True)
        if status.st_ino != other.lstat().st_ino:
            yield f"is no hard link of {expected['same_inode_as']}"
    yield from _check_content(expected, place)


def _check_content(expected: Mapping[str, Any], place: Path) -> Iterator[str]:
    if not expected.keys() & {"content", "contains", "regex"}:
        return
    content = place.read_bytes().decode("utf-8", "surrogateescape")
    if content != expected.get("content", content):
        yield f"holds {content!r} and not {expected['content']!r}"
    contains = expected.get("contains", [])
    for text in [contains] if isinstance(contains, str) else contains:
        if text not in content:
            yield f"holds {content!r} and in it no {text!r}"
    if not re.search(expected.get("regex", ""), content, re.MULTILINE):
        yield f"holds {content!r}, which does not match {expected['regex']!r}"


def _check_names(expected: Mapping[str, Any], root: Path) -> Iterator[str]:
    for path in expected.get("absent", ()):
        if os.path.lexists(_place(root, path, follow=False)):
            yield f"{path} is there"
    for path, names in expected.get("listing", {}).items():
        got = sorted(os.listdir(_place(root, path, follow=True)))
        if got != sorted(names):
            yield f"{path} holds {got} and not {sorted(names)}"


def _check_secrecy(expected: Mapping[str, Any], outcome: Outcome) -> Iterator[str]:
    for text in expected.get("nowhere", ()):
        if text in outcome.log:
            yield f"the log holds {text!r}"
        if text in str(outcome.layout.config):
            yield f"config or history holds {text!r}"
        if any(text.encode() in layer for layer in outcome.layout.layers()):
            yield f"a layer holds {text!r}"


def _place(root: Path, path: str, *, follow: bool) -> Path:
    if follow:
        return root / resolve(root, path).lstrip("/")
    folder, name = os.path.split(path)
    return root / resolve(root, folder).lstrip("/") / name
