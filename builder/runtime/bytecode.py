"""Compiles what is installed, once and for all."""

import compileall
import py_compile
from pathlib import Path


def compile_packages(tree: Path, folder: Path) -> None:
    """Write bytecode that is never checked against its source: times of files are not kept in images."""
    ok = compileall.compile_dir(
        folder,
        quiet=1,
        force=True,
        stripdir=str(tree),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not ok:
        raise RuntimeError(f"not all of {folder} could be compiled: see above")
