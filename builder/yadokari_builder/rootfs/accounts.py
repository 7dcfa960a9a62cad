"""Users and groups, looked up in the files of the image's own root.

USER follows the rules of moby/sys/user (GetExecUser), --chown those of BuildKit's file operations; neither
asks the machine's name services.
"""

import logging
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yadokari_builder.errors import DockerfileError, described
from yadokari_builder.rootfs.paths import resolve

logger = logging.getLogger(__name__)

_USERS = "/etc/passwd"
_GROUPS = "/etc/group"
ACCOUNT_FILES = (_USERS, _GROUPS)
"""In-root paths of the files that users and groups are looked up in."""

_MAX_FILE = 10 << 20
_MAX_ID = (1 << 31) - 1
_MAX_PAIR_ID = (1 << 32) - 1
_NO_ID = _MAX_PAIR_ID
"""To the kernel this means that an id stays as it is: a process that asks for it would go on as root."""
_MAX_DIGITS = 20
_MAX_SHOWN = 100
_NUMBER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class ExecUser:
    """Whom a process runs as. `groups` holds the supplementary groups, `gid` among them."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def find_user(spec: str, root: Path) -> ExecUser:
    """Resolve the value of USER: name or uid, and perhaps `:` with a group's name or gid.

    Nothing given is root. Supplementary groups come only without a group given. As in BuildKit, uid and gid
    together have 32 bits, one of them beside a name or alone 31. Raises DockerfileError for names that are
    not in the root's /etc/passwd or /etc/group, and for what is no id.
    """
    name, _, group = spec.partition(":")
    group = group.partition(":")[0]
    users = list(_users(root))
    uid, gid = _id_of(name, _MAX_PAIR_ID), _id_of(group, _MAX_PAIR_ID)
    if uid is not None and gid is not None:
        return _exec_user(uid, gid, (), users)
    uid = _number(name or "0")
    matched = next((user for user in users if (user.name == name if uid is None else user.uid == uid)), None)
    if matched is None and uid is None:
        raise DockerfileError(f"unable to find user {_shown(name)}: no matching entries in passwd file")
    uid = matched.uid if matched else uid or 0
    gid = matched.gid if matched else 0
    if group:
        return _exec_user(uid, _find_gid(group, root), (), users)
    others = tuple(each.gid for each in _groups(root) if matched and matched.name in each.members)
    return _exec_user(uid, gid, others, users)


def _exec_user(uid: int, gid: int, groups: tuple[int, ...], users: list[_User]) -> ExecUser:
    for each in (uid, gid, *groups):
        if not 0 <= each < _NO_ID:
            raise DockerfileError(f"user {uid}, group {gid}: no process can have the id {each}")
    home = next((user.home for user in users if user.uid == uid), "")
    return ExecUser(uid, gid, groups if gid in groups else (gid, *groups), home or "/")


def _find_gid(text: str, root: Path) -> int:
    gid = _number(text)
    if gid is not None:
        return gid
    for group in _groups(root):
        if group.name == text:
            return group.gid
    raise DockerfileError(f"unable to find group {_shown(text)}: no matching entries in group file")


def find_owner(spec: str, root: Path) -> tuple[int, int]:
    """Resolve the value of --chown, or of USER where it owns files, to (uid, gid).

    A uid alone is the gid, too; a name alone brings the user's group. A name that the root does not know is
    taken as root, as in BuildKit; a warning says so.
    """
    name, colon, group = spec.partition(":")
    uid = _id_of(name)
    if uid is not None:
        gid = uid
    else:
        user = next((each for each in _users(root) if each.name == name), None)
        if user is None and name:
            logger.warning("user %s is not in the image's /etc/passwd: root takes its place", _shown(name))
        uid, gid = (user.uid, user.gid) if user else (0, 0)
    if colon:
        gid = _owning_gid(group, root, gid)
    return uid, gid


def _owning_gid(text: str, root: Path, default: int) -> int:
    gid = _id_of(text)
    if gid is not None:
        return gid
    found = next((each.gid for each in _groups(root) if each.name == text), None)
    if found is None and text:
        logger.warning(
            "group %s is not in the image's /etc/group: gid %d takes its place", _shown(text), default
        )
    return default if found is None else found


def _id_of(text: str, largest: int = _MAX_ID) -> int | None:
    """Return an id that needs no look-up; `root` is one."""
    if text == "root":
        return 0
    if not (text.isascii() and text.isdigit()):
        return None
    number = _integer(text)
    return number if number <= largest else None


def _number(text: str) -> int | None:
    """Read a number of USER, None for a name; raises DockerfileError for one that is no id."""
    if not _NUMBER.fullmatch(text):
        return None
    number = _integer(text)
    if not 0 <= number <= _MAX_ID:
        raise DockerfileError(f"user {_shown(text)}: uids and gids must be in range 0-{_MAX_ID}")
    return number


def _shown(name: str) -> str:
    """Return what is shown of a name that an image's config may hold: no escape characters, no end of it."""
    return (
        name[:_MAX_SHOWN].encode("unicode_escape").decode() if not name.isprintable() else name[:_MAX_SHOWN]
    )


def _users(root: Path) -> Iterator[_User]:
    """Read /etc/passwd (passwd(5)): name:password:uid:gid:comment:home:shell; fields may be missing."""
    for fields in _records(root, _USERS):
        name, _, uid, gid, _, home = (*fields, *[""] * 6)[:6]
        yield _User(name, _lenient(uid), _lenient(gid), home)


def _groups(root: Path) -> Iterator[_Group]:
    """Read /etc/group (group(5)): name:password:gid:members."""
    for fields in _records(root, _GROUPS):
        name, _, gid, members = (*fields, *[""] * 4)[:4]
        if not name.startswith("#"):
            yield _Group(name, _lenient(gid), tuple(members.split(",")))


def _lenient(text: str) -> int:
    return _integer(text) if _NUMBER.fullmatch(text) else 0


def _integer(text: str) -> int:
    """Read a number, however long: of one that is no id by far the first digits are enough."""
    sign, digits = text[:1].strip("0123456789"), text.lstrip("+-").lstrip("0")
    return int(f"{sign}{digits[:_MAX_DIGITS] or 0}")


def _records(root: Path, path: str) -> Iterator[list[str]]:
    for line in _read(root, path).split("\n"):
        if line := line.strip():
            yield line.split(":")


def _read(root: Path, path: str) -> str:
    """Read a file of the root, empty where there is none; raises DockerfileError for what is no such file."""
    try:
        host = os.path.join(root, resolve(root, path).lstrip("/"))
        file = os.open(host, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise DockerfileError(f"{path} of the image cannot be read: {described(error)}") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise DockerfileError(f"{path} of the image is not a regular file")
        content = os.read(file, _MAX_FILE + 1)
    finally:
        os.close(file)
    if len(content) > _MAX_FILE:
        raise DockerfileError(f'"{path}" exceeds {_MAX_FILE} bytes')
    return content.decode("utf-8", "surrogateescape")
