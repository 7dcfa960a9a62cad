"""Keys: what a step sees, by content. Steps with equal keys leave equal layers, but for the times of files.

docs/cache.md says what a key is made of; what changes here changes `VERSION`, and no key of before is found.
Values are framed, so that no two of them read the same: `n`, `t` and `f` are none, true and false, `i12;` a
number, `s5:` a text or bytes and what follows, `l2:` a list of so many values.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Add, Copy
from yadokari_builder.layers.outline import FORMAT
from yadokari_builder.plan.needs import looks_up
from yadokari_builder.plan.steps import (
    BindRequest,
    CacheRequest,
    Copied,
    CopyAction,
    GitFiles,
    InlineFile,
    LocalFiles,
    LocalPaths,
    MountRequest,
    RunAction,
    SecretRequest,
    Source,
    SshRequest,
    Step,
    TmpfsRequest,
    WorkdirAction,
)

VERSION = 2

Framed = str | bytes | int | bool | None | Sequence["Framed"]

_FULL_COMMITS = (40, 64)


@dataclass(frozen=True, slots=True)
class Key:
    """The name of what a step leaves, 64 hex digits; `parts` name what it is made of."""

    name: str
    parts: Mapping[str, str] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Making:
    """How layers are made: for which platform, how compressed, what of the root is in none of them.

    `timestamp` is the latest time that files may have, in seconds since the epoch.
    """

    platform: str
    compression: str
    ignored: tuple[str, ...] = ()
    timestamp: int | None = None


def frame(value: Framed) -> bytes:
    """Write a value so that it can be told from any other."""
    match value:
        case None:
            return b"n"
        case bool():
            return b"t" if value else b"f"
        case int():
            return b"i%d;" % value
        case str():
            return frame(value.encode("utf-8", "surrogateescape"))
        case bytes():
            return b"s%d:%b" % (len(value), value)
        case _:
            return b"l%d:" % len(value) + b"".join(map(frame, value))


def name_of(*values: Framed) -> str:
    """Return the name of a list of values, in hex."""
    return hashlib.sha256(frame(values)).hexdigest()


def step_key(step: Step, below: Sequence[str], taken: Sequence[str], making: Making) -> Key:
    """Return the key of a step that changes files.

    `below` names what the root is made of, from the bottom; `taken` what the step takes from elsewhere, in
    the order of `takes`.
    """
    parts = {
        "below": name_of(below if _looks_below(step) else ()),
        "files": name_of(taken),
        "instruction": name_of(_instruction(step)),
        "making": name_of(making.platform, making.compression, sorted(making.ignored), making.timestamp),
        "variables": name_of(_variables(step)),
    }
    return Key(name_of(VERSION, sorted(parts.items())), parts)


def name_of_copy(step: Step, taken: Sequence[str]) -> str:
    """Name what a step adds that copies, or makes a folder: to steps after it nothing else tells it."""
    return f"step:{name_of(VERSION, _instruction(step), taken)}"


def takes(step: Step) -> tuple[tuple[Copied, Source | None], ...]:
    """List what a step takes from elsewhere, and from which source, in the order that a key has it in."""
    match step.action:
        case CopyAction(copied=copied, source=source):
            return tuple(
                (each, source if isinstance(each, LocalFiles | LocalPaths) else None) for each in copied
            )
        case RunAction(mounts=mounts):
            # What is mounted is copied, as by COPY, but for wildcards.
            filled = filter(_is_filled, mounts)
            return tuple((LocalFiles(mount.path, is_literal=True), mount.source) for mount in filled)
    return ()


def name_in(source: str, copied: Copied, exclude: IgnorePatterns | None) -> str:
    """Name what is taken from a source that is named itself, without looking into it."""
    match copied:
        case LocalFiles(path=path, is_literal=True):
            what: Framed = ("mounted", path)
        case LocalFiles(path=path, unpack=unpack):
            what = ("files", path, unpack)
        case LocalPaths(top=top, pattern=pattern, required=required):
            what = ("paths", top, _patterns(pattern), required)
        case _:
            raise TypeError(f"{type(copied).__name__} is in no source")
    return name_of("in", source, what, _patterns(exclude))


def name_without_looking(copied: Copied, exclude: IgnorePatterns | None) -> str | None:
    """Name what the Dockerfile itself tells all of; None where its content has to be seen."""
    match copied:
        case InlineFile(name=name, content=content):
            return name_of("inline", name, content)
        case GitFiles(ref=ref, keeps_git_dir=keeps) if len(ref.checksum) in _FULL_COMMITS:
            # What git keeps beside the files tells whence they came.
            kept = (ref.remote, ref.ref) if keeps else keeps
            has_submodules = ref.submodules is not False
            what = ("git", ref.checksum, ref.subdir, kept, has_submodules, ref.mtime)
            return name_of(*what, _patterns(exclude))
    return None


def name_of_download(file_name: str, checksum: str, *, unpack: bool) -> str:
    """Name a file of the web by its name and `algorithm:hex` of its content."""
    return name_of("web", file_name, checksum, unpack)


def name_of_last(step: Step, stage: int, platform: str) -> str:
    """Name the newest entry of an instruction, whatever its key: to tell what has changed since."""
    return f"last-{name_of(VERSION, stage, step.instruction.original, platform)}"


def name_of_layer(digest: str) -> str:
    """Name a layer that a process left by the digest of what is in it, times left out."""
    return f"layer:{digest}"


def name_of_outline(diff_id: str) -> str:
    """Name the entry of a layer's outline (see `layers.outline`)."""
    return f"outline-{name_of(FORMAT, diff_id)}"


def name_of_digests(file: str) -> str:
    """Name the entry that tells the checksum of a file of digests (see `known`)."""
    return f"digests-{name_of(VERSION, file)}"


def _looks_below(step: Step) -> bool:
    """Tell whether what a step leaves depends on what is there: a linked copy looks at nothing."""
    return not (isinstance(step.action, CopyAction) and step.action.is_linked and not looks_up(step))


def _instruction(step: Step) -> Framed:
    match step.action:
        case RunAction() as run:
            script = (run.script.path, run.script.content) if run.script else None
            mounts = tuple(map(_mount, run.mounts))
            return ("RUN", run.argv, script, run.user, run.working_dir, run.network, mounts)
        case CopyAction() as copy:
            instruction = step.instruction
            mode = instruction.chmod if isinstance(instruction, Copy | Add) else ""
            return ("COPY", copy.destination, copy.owner, mode, copy.is_linked)
        case WorkdirAction(path=path, user=user):
            return ("WORKDIR", path, user)
    raise TypeError("a step without an action has no key")


def _variables(step: Step) -> Framed:
    """Return the variables that a process sees, without those that lead it through a proxy."""
    return sorted(step.action.environment.own().items()) if isinstance(step.action, RunAction) else ()


def _mount(mount: MountRequest) -> Framed:
    """Tell what is mounted: of sources and secrets that they are there, of caches which ones."""
    match mount:
        case BindRequest(target=target, readonly=readonly):
            return ("bind", target, readonly)
        case CacheRequest() as cache:
            owned = (cache.uid, cache.gid, cache.mode)
            has_source = cache.source is not None
            return (
                *("cache", cache.target, cache.id, has_source, cache.is_filled, cache.readonly),
                *(cache.sharing, owned),
            )
        case TmpfsRequest(target=target, size=size):
            return ("tmpfs", target, size)
        case SecretRequest() as secret:
            owned = (secret.uid, secret.gid, secret.mode)
            return ("secret", secret.target, secret.id, secret.variable, secret.required, owned)
        case SshRequest() as ssh:
            return ("ssh", ssh.target, ssh.id, ssh.required, (ssh.uid, ssh.gid, ssh.mode))


def _is_filled(mount: MountRequest) -> TypeGuard[BindRequest | CacheRequest]:
    return isinstance(mount, BindRequest) or (isinstance(mount, CacheRequest) and mount.is_filled)


def _patterns(patterns: IgnorePatterns | None) -> Framed:
    return tuple((each.text, each.is_exception) for each in patterns.patterns) if patterns else ()
