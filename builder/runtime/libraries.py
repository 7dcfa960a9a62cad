"""Gives the runtime every shared library it uses, and ties it to those alone.

$ORIGIN in a run path would need a mounted /proc, so paths are absolute; DT_RPATH, other than DT_RUNPATH,
beats LD_LIBRARY_PATH. Loader and libc do not survive patchelf: what they have compiled in is edited in place.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from runtime.places import LIBRARIES, SETTINGS

_TRIPLET = f"{platform.machine()}-linux-gnu"
_OPENED_BY_NAME = (
    *("libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2", "libgcc_s.so.1"),
    *("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libm.so.6"),
    "libssh.so.4",
)
"""What glibc, wheels or the executor open while they run; no ELF header tells."""

_LDD_LINE = re.compile(r"\s*(?P<name>\S+)(?: => (?P<path>/\S+))? \(0x")


def collect(home: Path) -> str:
    """Copy into `home`/lib what the ELF files below `home` need, and what that needs in turn.

    Returns the loader's name. Raises `RuntimeError` when something that is needed is not on this machine.
    """
    found = {name: _system_library(name) for name in _OPENED_BY_NAME}
    waiting = [*elf_files(home), *found.values()]
    while waiting:
        for name, path in _needed(waiting.pop()).items():
            if name not in found and not path.is_relative_to(home):
                found[name] = path
                waiting.append(path)
    for name, path in found.items():
        shutil.copyfile(path, home / "lib" / name)
        (home / "lib" / name).chmod(0o755)
    return next(name for name in found if name.startswith("ld-linux"))


def settle(home: Path, loader: str) -> None:
    """Bind everything below `home` to our libraries, our loader and our settings."""
    for path in list(elf_files(home)):
        if path.name not in (loader, "libc.so.6"):
            subprocess.run(["strip", "--strip-unneeded", path], check=True)
            _set_run_path(path)
    for program in (home / "bin").iterdir():
        if not program.is_symlink():
            _patchelf("--set-interpreter", str(LIBRARIES / loader), program)
    edit(home / "lib" / loader, _loader_paths())
    edit(home / "lib/libc.so.6", _libc_paths())
    for library in (home / "lib").glob("libcrypto.so.*"):
        edit(library, _openssl_paths())


def elf_files(folder: Path) -> Iterator[Path]:
    """Yield the ELF files below `folder`; links are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink() and _starts_as_elf(path):
                yield path


def edit(path: Path, replacements: Mapping[str, str]) -> None:
    """Replace texts compiled into a file by others that are no longer.

    Raises `ValueError` where one is not there: a path that is not replaced is a door left open.
    """
    data = path.read_bytes()
    for old, new in replacements.items():
        before = b"\0" + old.encode() + b"\0"
        if before not in data or len(new) > len(old):
            raise ValueError(f"{path.name}: {old} cannot be replaced by {new}")
        data = data.replace(before, b"\0" + new.encode().ljust(len(old), b"\0") + b"\0")
    path.write_bytes(data)


def _loader_paths() -> dict[str, str]:
    folders = (f"/lib/{_TRIPLET}/", f"/usr/lib/{_TRIPLET}/")
    return {
        "/etc/ld.so.cache": f"{SETTINGS}/c",
        "/etc/ld.so.preload": f"{SETTINGS}/p",
        # Their lengths are compiled in elsewhere.
        **{folder: lengthened(f"{LIBRARIES}/", len(folder)) for folder in folders},
    }


def _libc_paths() -> dict[str, str]:
    gconv = f"/usr/lib/{_TRIPLET}/gconv"
    return {
        "/etc/nsswitch.conf": f"{SETTINGS}/nss",
        "/etc/gai.conf": f"{SETTINGS}/g",
        "/etc/localtime": f"{SETTINGS}/l",
        "/usr/share/zoneinfo": f"{SETTINGS}/z",
        "/usr/lib/locale": f"{SETTINGS}/i",
        "/usr/lib/locale/locale-archive": f"{SETTINGS}/i/a",
        gconv: f"{SETTINGS}/v",
        f"{gconv}/gconv-modules.cache": f"{SETTINGS}/v/c",
    }


def _openssl_paths() -> dict[str, str]:
    return {
        "/usr/lib/ssl": f"{SETTINGS}",
        "/usr/lib/ssl/certs": f"{SETTINGS}/certs",
        "/usr/lib/ssl/cert.pem": f"{SETTINGS}/cert.pem",
        f"/usr/lib/{_TRIPLET}/ossl-modules": f"{LIBRARIES}/ossl-modules",
        f"/usr/lib/{_TRIPLET}/engines-3": f"{LIBRARIES}/engines-3",
    }


def lengthened(folder: str, length: int) -> str:
    """Return another name of `folder` (that ends in a slash) with exactly `length` characters."""
    missing = length - len(folder)
    return folder + "./" * (missing // 2) + "/" * (missing % 2)


def _set_run_path(path: Path) -> None:
    before = subprocess.run(["patchelf", "--print-rpath", path], capture_output=True, text=True, check=True)
    kept = [part for part in before.stdout.strip().split(":") if part.startswith("$ORIGIN/")]
    _patchelf("--force-rpath", "--set-rpath", ":".join([*kept, str(LIBRARIES)]), "--no-default-lib", path)


def _patchelf(*arguments: str | Path) -> None:
    subprocess.run(["patchelf", *arguments], check=True)


def _needed(path: Path) -> dict[str, Path]:
    """Ask the loader which libraries an ELF file needs: name -> path."""
    listing = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    if "not found" in listing:
        raise RuntimeError(f"{path} needs a library that is not installed:\n{listing}")
    found = {}
    for match in filter(None, map(_LDD_LINE.match, listing.splitlines())):
        library = match["path"] or match["name"]
        if library.startswith("/"):
            found[os.path.basename(match["name"])] = Path(library)
    return found


def _system_library(name: str) -> Path:
    for folder in (f"/lib/{_TRIPLET}", f"/usr/lib/{_TRIPLET}"):
        if (path := Path(folder, name)).exists():
            return path
    raise RuntimeError(f"{name} is not on this machine: the runtime is assembled on Debian")


def _starts_as_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
