"""The stand-in for Docker's busybox image: Debian's static busybox, a hard link for each applet."""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from support.bases.layout import PATH, add_layer, write_image

FOLDERS = {
    "bin": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "root": 0o700,
    "tmp": 0o1777,
    "usr": 0o755,
    "usr/sbin": 0o755,
    "var": 0o755,
    "var/spool": 0o755,
    "var/spool/mail": 0o755,
    "var/www": 0o755,
}
NOBODY = 65534
PASSWD = "root:x:0:0:root:/root:/bin/sh\n"
GROUP = "root:x:0:\n"
FILES = {
    "etc/passwd": PASSWD,
    "etc/group": GROUP,
    "etc/shadow": "".join(f"{line.split(':')[0]}:*:::::::\n" for line in PASSWD.splitlines()),
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def make(layout: Path, created: str) -> None:
    """Write the image into `layout`."""
    program = shutil.which("busybox")
    if program is None:
        raise RuntimeError("busybox is missing: install the package busybox-static")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _add_files(archive, Path(program), int(os.path.getmtime(program)))
    tar.seek(0)
    layer = add_layer(layout, tar, "busybox-static of Debian")
    write_image(layout, [layer], {"Env": [PATH], "Cmd": ["sh"]}, created)


def _add_files(archive: tarfile.TarFile, program: Path, mtime: int) -> None:
    for name, mode in FOLDERS.items():
        folder = _entry(name, mode, mtime)
        folder.type = tarfile.DIRTYPE
        folder.uid = folder.gid = NOBODY if name == "home" else 0
        archive.addfile(folder)
    _add_file(archive, _entry("bin/busybox", 0o755, mtime), program.read_bytes())
    for applet in _applets(program):
        link = _entry(f"bin/{applet}", 0o755, mtime)
        link.type, link.linkname = tarfile.LNKTYPE, "bin/busybox"
        archive.addfile(link)
    for name, text in FILES.items():
        _add_file(archive, _entry(name, 0o600 if name == "etc/shadow" else 0o644, mtime), text.encode())


def _applets(program: Path) -> list[str]:
    listing = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout
    return [name for name in listing.split() if name != "busybox"]


def _add_file(archive: tarfile.TarFile, entry: tarfile.TarInfo, data: bytes) -> None:
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _entry(name: str, mode: int, mtime: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime = mode, mtime
    return entry
