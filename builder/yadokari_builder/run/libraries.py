"""What the C library would read and load later, settled before a step can write it."""

import ctypes
import os
import socket
from collections.abc import Iterable

_DATABASES = "passwd group shadow gshadow initgroups networks services protocols"
_NAME_SERVICES = {"hosts": b"files dns", **dict.fromkeys(_DATABASES.split(), b"files")}

LATE_LIBRARIES = ("libgcc_s.so.1", "libresolv.so.2", "libnss_files.so.2", "libnss_dns.so.2")
"""What glibc opens by name when a thread ends and, before its version 2.34, when a name is looked up."""


def preload_libraries(names: Iterable[str] = LATE_LIBRARIES) -> None:
    """Load libraries, so that their files are not opened when they are needed; raises `OSError`."""
    for name in names:
        ctypes.CDLL(name)


def fix_name_services() -> None:
    """Have names looked up in files and DNS, whatever the configuration says from now on.

    glibc reads it (nsswitch.conf) anew when it changes, loads the libraries it names, and asks a daemon's
    socket (nscd) before them; not so once a program has chosen by itself. Raises `OSError`.
    """
    choose = ctypes.CDLL(None, use_errno=True).__nss_configure_lookup
    for database, services in _NAME_SERVICES.items():
        if choose(database.encode(), services):
            number = ctypes.get_errno()
            raise OSError(number, f"{database}: {os.strerror(number)}")
    # What is read once (gai.conf, host.conf) is read now.
    socket.getaddrinfo("localhost", 0)
