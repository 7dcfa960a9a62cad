"""Certificates that steps are to trust: a file that stands in the root while a step runs, and its variables.

The bundle of the image is left alone: a step that installs certificates renames a new one over it.
"""

import os
import stat
from collections.abc import Mapping
from types import MappingProxyType

from yadokari_builder.registry.http.tls import certificates_in
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import resolve
from yadokari_builder.run.mounts.files import FileMount

FILE = "/run/yadokari/certificates.pem"
"""Where steps find it."""

# OpenSSL and Go, curl, Python's requests and pip, git, Node, AWS, cargo.
_NAMES = (
    *("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO"),
    *("NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE", "CARGO_HTTP_CAINFO"),
)
VARIABLES: Mapping[str, str] = MappingProxyType(dict.fromkeys(_NAMES, FILE))
"""What tells programs of it."""

# Debian and Alpine, Fedora, openSUSE, and where OpenSSL or LibreSSL has it by default.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_MOST = 16 << 20


def trusted(authorities: str, boundary: Boundary) -> FileMount:
    """Make the file of these authorities (PEM) and of those that the image trusts by now."""
    own = (certificate for path in _BUNDLES for certificate in certificates_in(_read(boundary, path)))
    bundle = dict.fromkeys([*own, *certificates_in(authorities.encode())])
    return FileMount(FILE, "".join(f"{it}\n" for it in bundle).encode(), mode=0o444)


def _read(boundary: Boundary, path: str) -> bytes:
    """Read a file of the image; of what is no such file, or leads out of what is the image's, nothing."""
    try:
        real = resolve(boundary.root, path)
        if boundary.barrier(real) is not None:
            return b""
        file = os.open(boundary.host(real), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(file, _MOST) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    finally:
        os.close(file)
