"""Assembles the executor's runtime: a Python in one directory that needs nothing else of the file system.

usage: python3 -m runtime.assemble TREE --wheels DIR [--certificates FILE]

Makes TREE/yadokari, to be used at /yadokari, from the Python that runs this: interpreter, standard library,
the packages in --wheels, every shared library, the loader and a CA bundle. While a build replaces the file
system around it, this Python goes on working, and no file of the image that is built can steer it.

Needs the programs ldd (glibc), patchelf and strip (binutils); and chroot, by which the result is tried out.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from runtime.bytecode import compile_packages
from runtime.libraries import collect, settle
from runtime.places import HOME, library_folder

_DROPPED_FOLDERS = re.compile(
    r"__pycache__|_pyrepl|config-.*|curses|dbm|dist-packages|distutils|ensurepip|idlelib|lib2to3|pydoc_data"
    r"|site-packages|sqlite3|tests?|tkinter|turtledemo|unittest|venv|wsgiref|xmlrpc"
)
_DROPPED_FILES = re.compile(
    r"(_aix_support|_distutils_system_mod|_osx_support|antigravity|cgi|cgitb|crypt|doctest|ftplib|imaplib|nntplib|poplib|pydoc|sitecustomize|smtpd|smtplib|telnetlib"
    r"|this|turtle|webbrowser)\.py"
    r"|(_crypt|_ctypes_test|_curses|_curses_panel|_dbm|_gdbm|_sqlite3|_test\w+|_tkinter|_xx\w+|audioop|nis"
    r"|ossaudiodev|readline|spwd|xx\w+)(\.\S+)?\.so|EXTERNALLY-MANAGED|.*\.a"
)
_NOT_RUN = shutil.ignore_patterns("__pycache__", "bin", "tests", "*.pyi", "_cffi.*", "backend_cffi.py")
_NAME_SERVICES = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"


def assemble(tree: Path, wheels: Path, certificates: Path) -> None:
    """Make `tree`/yadokari anew from the running interpreter, with the packages installed in `wheels`."""
    home = tree / HOME.relative_to("/")
    shutil.rmtree(home, ignore_errors=True)
    # The last three are mount points where the runtime itself is mounted read-only.
    for folder in ("bin", "lib", "e/certs", "tmp", "work", "input"):
        (home / folder).mkdir(parents=True)
    _copy_python(home, wheels)
    loader = collect(home)
    settle(home, loader)
    _write_settings(home, certificates)
    compile_packages(tree, library_folder(tree))


def try_out(tree: Path) -> None:
    """Import every module in a root that holds nothing but the runtime; raises `CalledProcessError`."""
    modules = " ".join(sorted(_modules(library_folder(tree))))
    script = "import sys\nfor name in sys.argv[1].split(): __import__(name)"
    python = ["chroot", str(tree), f"{HOME}/bin/python3", "-ISBXutf8", "-Wignore"]
    subprocess.run([*python, "-c", script, modules], check=True)


def _copy_python(home: Path, wheels: Path) -> None:
    library = library_folder(home.parent)
    stdlib = sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})
    shutil.copytree(stdlib, library, ignore=_not_wanted)
    # Beside the standard library, not in site-packages: that is always on the path, whoever made this Python,
    # and the site module need not run.
    shutil.copytree(wheels, library, ignore=_NOT_RUN, dirs_exist_ok=True)
    program = home / "bin" / library.name
    shutil.copy2(os.path.realpath(getattr(sys, "_base_executable", sys.executable)), program)
    (home / "bin/python3").symlink_to(program.name)


def _not_wanted(folder: str, names: list[str]) -> set[str]:
    def unwanted(name: str) -> bool:
        is_folder = os.path.isdir(os.path.join(folder, name))
        return bool((_DROPPED_FOLDERS if is_folder else _DROPPED_FILES).fullmatch(name))

    return set(filter(unwanted, names))


def _write_settings(home: Path, certificates: Path) -> None:
    (home / "e/nss").write_text(_NAME_SERVICES)
    (home / "e/openssl.cnf").touch()
    shutil.copyfile(certificates, home / "e/cert.pem")


def _modules(library: Path) -> Iterator[str]:
    """Name the modules and packages at the top of the library that import on a bare machine."""
    unwanted = {"__phello__", "lib-dynload", "idlelib"}
    for path in [*library.iterdir(), *(library / "lib-dynload").iterdir()]:
        name = path.name.split(".")[0]
        is_package = (path / "__init__.py").exists()
        if name.isidentifier() and name not in unwanted and (is_package or path.suffix in (".py", ".so")):
            yield name


def main() -> None:
    """Read the arguments and assemble."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--wheels", type=Path, required=True, help="folder that packages were installed into")
    parser.add_argument(
        "--certificates", type=Path, default=Path("/etc/ssl/certs/ca-certificates.crt"), help="CA bundle"
    )
    arguments = parser.parse_args()
    assemble(arguments.tree.absolute(), arguments.wheels, arguments.certificates)
    try_out(arguments.tree.absolute())


if __name__ == "__main__":
    main()
