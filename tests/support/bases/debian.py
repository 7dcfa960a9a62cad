"""Debian base images, by debootstrap, and the stand-in for nginx on top of one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from support.bases.layout import PATH, add_layer, borrow_layers, write_image

# As Docker's images do: no caches in layers, no services started, no waiting for the disk.
SETTINGS = {
    "etc/apt/apt.conf.d/docker-clean": (
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };\n'
        'APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };\n'
        'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";\n'
    ),
    "etc/apt/apt.conf.d/docker-gzip-indexes": 'Acquire::GzipIndexes "true";\n',
    "etc/apt/apt.conf.d/docker-no-languages": 'Acquire::Languages "none";\n',
    "etc/apt/apt.conf.d/docker-autoremove-suggests": 'Apt::AutoRemove::SuggestsImportant "false";\n',
    "etc/dpkg/dpkg.cfg.d/docker-apt-speedup": "force-unsafe-io\n",
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
    "etc/hostname": "debian\n",
    "etc/resolv.conf": "# whatever runs this image puts its own here\n",
    "etc/machine-id": "",
}
SLIM = {
    "etc/dpkg/dpkg.cfg.d/docker": (
        "path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n"
        "path-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\npath-exclude /usr/share/info/*\n"
    )
}
SLIM_DROPS = (
    "find usr/share/doc -mindepth 2 ! -type d ! -name copyright -delete;"
    " rm -rf usr/share/man/* usr/share/locale/* usr/share/info/*"
)
DROPS = (
    "rm -rf dev/* run/* tmp/* proc/* sys/* var/log/* var/cache/apt/* var/lib/apt/lists/*"
    " var/cache/ldconfig/* var/cache/debconf/*-old var/lib/dpkg/*-old etc/*- root/.??*;"
    " mkdir -p var/lib/apt/lists/partial var/cache/apt/archives/partial run/lock; chmod 1777 run/lock"
)
NGINX_CONFIG = {
    "ExposedPorts": {"80/tcp": {}},
    "Env": [PATH, "NGINX_VERSION=1.19.5"],
    "Cmd": ["nginx", "-g", "daemon off;"],
    "Labels": {"maintainer": "NGINX Docker Maintainers <docker-maint@nginx.com>"},
    "StopSignal": "SIGQUIT",
}
# Everything is mounted in a mount namespace of its own, so that nothing stays mounted whatever happens.
INSTALL = """
mount -t overlay overlay -o lowerdir="$1",upperdir="$2/upper",workdir="$2/work" "$2/root"
cd "$2/root"
mount --bind /etc/resolv.conf etc/resolv.conf
mount --rbind /dev dev
mount -t proc proc proc
shift 2
apt() { chroot . apt-get -qq -o Dpkg::Use-Pty=0 "$@"; }
apt update
"$@"
rm -rf var/log/* var/lib/apt/lists/* var/cache/apt/* var/cache/ldconfig/* var/cache/debconf/*-old
rm -rf var/lib/dpkg/*-old
"""


def make(layout: Path, created: str, *, suite: str, slim: bool, cache: Path, work: Path) -> None:
    """Write a Debian image into `layout`; packages that were downloaded stay in `cache` till it is done."""
    root = work / "root"
    cache.mkdir(parents=True, exist_ok=True)
    _bootstrap(suite, root, cache)
    _shell(DROPS, root)
    for name, text in (SETTINGS | SLIM if slim else SETTINGS).items():
        _write(root / name, text)
    if slim:
        _shell(SLIM_DROPS, root)
    with _tar(root) as tar:
        layer = add_layer(layout, tar, f"debootstrap --variant=minbase {suite}")
    write_image(layout, [layer], {"Env": [PATH], "Cmd": ["bash"]}, created)
    shutil.rmtree(cache)


def make_nginx(layout: Path, created: str, *, base: Path, work: Path) -> None:
    """Write the stand-in for nginx: the layer of the image in the layout `base`, one with the package."""
    layers = borrow_layers(layout, base)
    lower = work / "lower"
    for folder in (lower, work / "upper", work / "work", work / "root"):
        folder.mkdir()
    for layer in layers:
        blob = base / "blobs/sha256" / layer.digest.removeprefix("sha256:")
        _run(
            [
                "tar",
                "--extract",
                "--gzip",
                "--xattrs",
                "--xattrs-include=*",
                "--numeric-owner",
                "-f",
                str(blob),
                "-C",
                str(lower),
            ]
        )
    _run(
        [
            *("unshare", "--mount", "--propagation", "private", "sh", "-ec", INSTALL, "sh"),
            *(str(lower), str(work), "apt", "install", "-y", "--no-install-recommends", "nginx"),
        ],
        DEBIAN_FRONTEND="noninteractive",
    )
    _name_whiteouts(work / "upper", lower)
    for name, device in {"access.log": "stdout", "error.log": "stderr"}.items():
        log = work / "upper/var/log/nginx" / name
        log.parent.mkdir(parents=True, exist_ok=True)
        log.symlink_to(f"/dev/{device}")
    with _tar(work / "upper") as tar:
        layer = add_layer(layout, tar, "apt-get install nginx")
    write_image(layout, [*layers, layer], NGINX_CONFIG, created)


def mirrors(suite: str) -> dict[str, str]:
    """Return suite name -> mirror for `suite` and its updates, as this machine has them for its own suite.

    Empty where the machine is no Debian: debootstrap then takes its default.
    """
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
    )
    if release.get("ID") != "debian" or "VERSION_CODENAME" not in release:
        return {}
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    own = release["VERSION_CODENAME"].strip('"')
    found = dict(reversed([line.split() for line in listing.splitlines()]))
    return {
        suite + extra: found[own + extra] for extra in ("", "-updates", "-security") if own + extra in found
    }


def _bootstrap(suite: str, root: Path, cache: Path) -> None:
    sources = mirrors(suite)
    command = ["debootstrap", "--variant=minbase", f"--cache-dir={cache}", suite, str(root)]
    _run(command + ([sources[suite]] if suite in sources else []))
    if sources:
        text = "".join(f"deb {mirror} {name} main\n" for name, mirror in sources.items())
        _write(root / "etc/apt/sources.list", text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755 if text.startswith("#!") else 0o644)


def _name_whiteouts(upper: Path, lower: Path) -> None:
    """Replace what overlayfs marks deletions by with the names that layers have for them."""
    for folder, _, names in os.walk(upper):
        for name in names:
            path = Path(folder, name)
            if path.is_char_device() and path.lstat().st_rdev == 0:
                path.unlink()
                Path(folder, f".wh.{name}").touch()
        # overlayfs calls every new folder opaque; only one that hides another needs to say so.
        if (
            "trusted.overlay.opaque" in os.listxattr(folder)
            and (lower / Path(folder).relative_to(upper)).is_dir()
        ):
            Path(folder, ".wh..wh..opq").touch()


@contextmanager
def _tar(root: Path) -> Iterator[IO[bytes]]:
    """Stream a tree as a layer: sorted, whole seconds, names as Docker's layers have them."""
    command = [
        *("tar", "--create", "--sort=name", "--numeric-owner", "--xattrs"),
        *("--xattrs-include=security.*", "--xattrs-include=user.*"),
        "--pax-option=delete=atime,delete=ctime,delete=mtime",
        *("-C", str(root), "--", *sorted(os.listdir(root))),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _shell(script: str, root: Path) -> None:
    _run(["sh", "-ec", script], cwd=root)


def _run(command: list[str], cwd: Path | None = None, **env: str) -> None:
    """Run a program whose output is of interest only if it fails."""
    environment: Mapping[str, str] = os.environ | {"LC_ALL": "C.UTF-8"} | env
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        sys.stderr.write(done.stdout[-4000:])
        raise RuntimeError(f"{command[0]} failed with exit code {done.returncode}; its output is above")
