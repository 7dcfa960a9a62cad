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
PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
sync:x:4:100:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""
GROUP = "".join(
    f"{name}:x:{gid}:\n"
    for name, gid in {
        "root": 0, "daemon": 1, "bin": 2, "sys": 3, "adm": 4, "tty": 5, "disk": 6, "lp": 7, "mail": 8,
        "kmem": 9, "wheel": 10, "cdrom": 11, "dialout": 18, "floppy": 19, "video": 28, "audio": 29,
        "tape": 32, "www-data": 33, "operator": 37, "utmp": 43, "plugdev": 46, "staff": 50, "lock": 54,
        "netdev": 82, "users": 100, "nobody": 65534,
    }.items()
)  # fmt: skip
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
