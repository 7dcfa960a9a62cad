"""`pack-context FOLDER FILE`: a folder as a build context in a tar, without what is ignored."""

import os
import posixpath
import stat
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from yadokari_builder.command import report
from yadokari_builder.command.failures import exit_code
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import ContextError, UsageError
from yadokari_builder.plan.draft import read_ignored
from yadokari_builder.sources.context import Context
from yadokari_builder.sources.dockerfile import read_dockerfile
from yadokari_builder.sources.selection import Chosen, select
from yadokari_builder.sources.tree import SourceTree
from yadokari_contract.arguments import parse_pack_context

_IGNORE_FILE = ".dockerignore"


def run(arguments: Sequence[str], environment: Mapping[str, str], log: TextIO) -> int:
    """Write the archive; returns the exit code."""

    def pack() -> None:
        folder, file, spec = parse_pack_context(arguments, environment)
        report.configure(
            log, spec.verbosity, spec.log_format, timestamp=spec.log_timestamp, environment=environment
        )
        if not os.path.isdir(folder):
            raise UsageError(f"{folder} is no folder: name the one that is to be the build context")
        context = Context(Path(folder))
        text = read_dockerfile(spec.dockerfile, context, cwd=Path.cwd())
        # One that belongs to the Dockerfile stands for the context's own, which must not count after it.
        own = text.ignore_name in ("", _IGNORE_FILE)
        try:
            with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
                for chosen in select(SourceTree(context.root, ignored=read_ignored(text)), "/"):
                    if chosen.place and (own or chosen.place != _IGNORE_FILE):
                        _add(archive, chosen)
        except OSError as error:
            raise ContextError(
                f"{folder} cannot be packed: {error.filename or ''}: {error.strerror}"
            ) from None

    report.configure(log, "info", "text")
    return exit_code(pack)


def _add(archive: tarfile.TarFile, chosen: Chosen) -> None:
    """Add a file, folder or link; owners count for nothing in a context, and whole seconds are enough."""
    status = chosen.status
    member = tarfile.TarInfo(posixpath.normpath(chosen.place))
    member.mode, member.mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
    if chosen.is_folder:
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    elif stat.S_ISLNK(status.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, chosen.target()
        archive.addfile(member)
    elif stat.S_ISREG(status.st_mode):
        with open(chosen.open(), "rb") as content:
            member.size = os.fstat(content.fileno()).st_size
            archive.addfile(member, content)
    else:
        raise ContextError(
            f"{printable(chosen.place)} is neither a file, a folder nor a link: name it in .dockerignore"
        )
