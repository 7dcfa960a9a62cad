"""Tar archives put together in memory."""

import io
import tarfile

Member = tuple[tarfile.TarInfo, bytes]
# Entries: version 2, then tag, permissions and id of each (linux/posix_acl_xattr.h).
ACL = bytes.fromhex(
    "02000000 0100 0700 ffffffff 0200 0600 39050000 0400 0500 ffffffff 1000 0700 ffffffff 2000 0500 ffffffff"
)


def file(name: str, content: bytes = b"", **fields: object) -> Member:
    """Return a regular file; `fields` are TarInfo's."""
    return _info(name, tarfile.REGTYPE, fields), content


def directory(name: str, **fields: object) -> Member:
    """Return a directory."""
    return _info(name, tarfile.DIRTYPE, {"mode": 0o755, **fields}), b""


def link(name: str, target: str, **fields: object) -> Member:
    """Return a symbolic link."""
    return _info(name, tarfile.SYMTYPE, {"linkname": target, **fields}), b""


def hard_link(name: str, target: str, **fields: object) -> Member:
    """Return a hard link."""
    return _info(name, tarfile.LNKTYPE, {"linkname": target, **fields}), b""


def node(name: str, kind: bytes, **fields: object) -> Member:
    """Return a device or a fifo; `kind` is tarfile's type."""
    return _info(name, kind, fields), b""


def archive(*members: Member, variant: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    """Return an archive of `members`, ready to be read; `variant` is one of tarfile's formats."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=variant, errors="surrogateescape") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    stream.seek(0)
    return stream


def _info(name: str, kind: bytes, fields: dict[str, object]) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info
