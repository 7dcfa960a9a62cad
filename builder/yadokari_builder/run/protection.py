"""What keeps the executor out of the reach of the steps it runs, which are untrusted and in its own root."""

import ctypes
import importlib
import os
import pkgutil
import resource
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.machinery import BuiltinImporter, FrozenImporter

from yadokari_builder.run import kernel
from yadokari_builder.run.libraries import LATE_LIBRARIES, fix_name_services, preload_libraries

# fmt: off
LATE_MODULES = (
    "_strptime", "bz2", "calendar", "concurrent.futures.thread", "copy", "gzip", "hashlib", "hmac",
    "http.client", "http.cookies", "linecache", "locale", "lzma", "mimetypes", "netrc", "queue", "shutil",
    "signal", "ssl", "stringprep", "tarfile", "tempfile", "textwrap", "traceback", "unicodedata",
    "urllib.request", "uuid", "zipfile", "zlib",
    "encodings.ascii", "encodings.cp437", "encodings.idna", "encodings.latin_1", "encodings.punycode",
    "encodings.raw_unicode_escape", "encodings.unicode_escape", "encodings.utf_16", "encodings.utf_32",
    "encodings.utf_8", "encodings.utf_8_sig",
)
# fmt: on
"""Modules that the standard library imports only when a function is called."""

PACKAGES = ("yadokari_builder", "yadokari_contract", "email", "json", "isal", "zstandard", "urllib3")
"""Packages that are imported as a whole."""

GIT_MODULES = (
    *("yadokari_builder.sources.git", "yadokari_builder.sources.checkout"),
    *("yadokari_builder.sources.repository", "yadokari_builder.sources.ssh.vendor"),
    *("dulwich.commit_graph", "dulwich.dumb", "dulwich.trailers", "dulwich.worktree"),
)
"""What builds that add git repositories need besides: it takes too long to load for all others."""

UNWANTED = frozenset(
    {"urllib3.contrib", "urllib3.http2", "zstandard._cffi", "zstandard.backend_cffi", *GIT_MODULES}
    | {
        "yadokari_builder.sources.bucket",
        "yadokari_builder.sources.pack",
        "yadokari_builder.sources.ssh.connection",
    }
    | {"yadokari_contract.telemetry", "yadokari_contract.urls", "email.mime", "json.tool"}
    # What is the other verbs' alone: that of a build has been loaded.
    | {"yadokari_builder.command", "yadokari_contract.results.answers", "yadokari_builder.outputs.stored"}
    | {"yadokari_builder.plan.images", "yadokari_builder.plan.kaniko", "yadokari_builder.registry.index"}
)
"""Parts of them that are never used, that need what is not there, or that few builds need."""


_READ_BY_LIBRARIES = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "TZ", "LOCALDOMAIN", "RES_OPTIONS"})
"""Variables that libraries may still ask for; none of them is a secret."""

_NOBODYS_GROUP = 65534


def lock_up(modules: Iterable[str] = (), libraries: Iterable[str] = ()) -> None:
    """Close what steps could reach the executor by; call once, before the first step.

    From now on nothing is imported or loaded but what is there, `modules` and `libraries` included, and the
    memory that shows the executor's environment is empty. Raises `ImportError` and `OSError`.
    """
    preload_modules(modules=(*LATE_MODULES, *modules))
    preload_libraries((*LATE_LIBRARIES, *libraries))
    fix_name_services()
    wipe_environment()
    make_undumpable()
    keep_limits()


def wipe_environment() -> None:
    """Overwrite the values in the memory that /proc/PID/environ shows; `os.environ` keeps them.

    That memory is the process's first stack: setting variables does not change it. The few that libraries
    ask for themselves stay.
    """
    start, end = _environment_bounds()
    block = ctypes.string_at(start, end - start)
    position = start
    for entry in block.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if value and os.fsdecode(name) not in _READ_BY_LIBRARIES:
            ctypes.memset(position + len(entry) - len(value), 0, len(value))
        position += len(entry) + 1


def _environment_bounds() -> tuple[int, int]:
    """Return where the environment begins and ends: fields 50 and 51 of proc_pid_stat(5)."""
    with open("/proc/self/stat", "rb") as stat:
        # The second field, the command in brackets, may hold blanks.
        fields = stat.read().rpartition(b") ")[2].split()
    return int(fields[47]), int(fields[48])


def keep_out_of_dumps() -> None:
    """Have no core dump show what this process holds; the first thing to do. Raises `OSError`.

    The limit is for files, and steps inherit it: a crash leaves nothing in their layers. What the node's
    kernel pipes to a program of its own goes by what is dumpable.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    make_undumpable()


def make_undumpable() -> None:
    """Keep other processes, root's too, from tracing this one and from reading its environment or memory.

    Their access to /proc/PID/{environ,mem,maps,fd,...} then needs CAP_SYS_PTRACE (ptrace(2)).
    """
    kernel.set_dumpable(False)


def keep_limits() -> None:
    """Keep other processes, root's too, from lowering this one's resource limits (prlimit(2)).

    That is let to who has the ids of a process, its real, effective and saved ones: with a saved one of its
    own nobody has. Where the pod may not change groups, steps may lower them, and fail by it.
    """
    with suppress(PermissionError):
        os.setresgid(-1, -1, _NOBODYS_GROUP)


def preload_modules(packages: Iterable[str] = PACKAGES, modules: Iterable[str] = LATE_MODULES) -> None:
    """Import what may be needed later, and let nothing be imported from a file from now on.

    Steps may write wherever the interpreter would look for modules. Raises `ImportError`.
    """
    for package in packages:
        _import_package(package)
    for module in modules:
        importlib.import_module(module)
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter]


def _import_package(name: str) -> None:
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(getattr(package, "__path__", ()), name + "."):
        if not _is_unwanted(module.name):
            _import_package(module.name)


def _is_unwanted(name: str) -> bool:
    return name.endswith("__main__") or name in UNWANTED
