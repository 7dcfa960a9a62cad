"""The Dockerfile and its ignore file, read."""

import os
import re
from pathlib import Path

from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.dockerfile.text import DockerfileText
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.context import Context
from yadokari_contract.suggestion import suggest

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_IGNORE_FILE = ".dockerignore"
# BuildKit stops at the same size; a Dockerfile is far smaller.
_MAX_SIZE = 16 << 20


def read_dockerfile(path: str, context: Context, *, cwd: Path) -> DockerfileText:
    """Read the Dockerfile at `path`, relative to `cwd` or, if nothing is there, to the context.

    With it comes the ignore file: `<Dockerfile>.dockerignore` beside the Dockerfile, else the context's
    `.dockerignore`, else none (empty); what has such a name is a file. Must be called before the root is
    cleaned. Raises ContextError.
    """
    if _URL.match(path):
        raise ContextError(f"the Dockerfile {path} is a URL, which is not supported in this version")
    file = _find(path, context, cwd)
    content = _read(file, f"the Dockerfile {path}")
    for ignore in (file.with_name(f"{file.name}{_IGNORE_FILE}"), context.root / _IGNORE_FILE):
        if os.path.lexists(ignore):
            _refuse_escape(ignore, context)
            if not ignore.is_file():
                # To go on without its patterns could bring into the image what they keep out of it.
                raise ContextError(f"the ignore file {ignore.name} is no file: make it one, or remove it")
            text = _read(ignore, f"the ignore file {ignore.name}").decode("utf-8", "surrogateescape")
            return DockerfileText(content, _name(path, file, context), text, ignore.name)
    return DockerfileText(content, _name(path, file, context), "", "")


def _name(path: str, file: Path, context: Context) -> str:
    """Return what errors call a Dockerfile: an absolute path is often not of its author's making."""
    if not os.path.isabs(path):
        return path
    return str(file.relative_to(context.root)) if file.is_relative_to(context.root) else file.name


def _find(path: str, context: Context, cwd: Path) -> Path:
    for base in (cwd, context.root):
        candidate = base / path
        if candidate.is_file():
            _refuse_escape(candidate, context)
            return candidate
    if (cwd / path).is_dir() or (context.root / path).is_dir():
        raise ContextError(f"the Dockerfile {path} is a folder")
    raise ContextError(
        f"failed to read dockerfile: open {path}: no such file or directory{_hint(path, context)}"
    )


def _hint(path: str, context: Context) -> str:
    """Name the file of the context that may have been meant."""
    folder = (context.root / path).parent
    if not folder.is_dir() or not folder.resolve().is_relative_to(context.root.resolve()):
        return ""
    meant = suggest(Path(path).name, sorted(os.listdir(folder)))
    return f" (did you mean {printable(meant)}?)" if meant else ""


def _refuse_escape(file: Path, context: Context) -> None:
    """Refuse a link that leads out of the context: its author has no say in the executor's files."""
    lexical = Path(os.path.abspath(file))
    if lexical.is_relative_to(context.root) and not file.resolve().is_relative_to(context.root.resolve()):
        raise ContextError(
            f"{lexical.relative_to(context.root)} is a link that leads out of the build context"
        )


def _read(file: Path, what: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            content = stream.read(_MAX_SIZE + 1)
    except OSError as error:
        raise ContextError(f"{what} cannot be read: {os.strerror(error.errno or 0)}") from error
    if len(content) > _MAX_SIZE:
        raise ContextError(f"{what} is larger than {_MAX_SIZE >> 20} MiB")
    return content
