"""Whom TLS trusts: certificates that are read when a build begins and never again.

A RUN step can append to a bundle or put files into a folder of certificates, which OpenSSL looks at whenever
it verifies: so it is shown neither.
"""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock

from yadokari_builder.errors import UsageError, described

_FILE, _FOLDERS = "SSL_CERT_FILE", "SSL_CERT_DIR"
_CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----[^-]*-----END (?:X509 )?CERTIFICATE-----")
_MAX_BUNDLE = 16 * 1024 * 1024


@dataclass(slots=True)
class Trust:
    """Certificates of authorities, as PEM text; `context` may be called by several threads."""

    authorities: str
    _lock: Lock = field(default_factory=Lock, repr=False)
    _loaded: bool = False
    # Made at once, as that has OpenSSL read its configuration, which a step might write.
    _context: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def context(self) -> ssl.SSLContext:
        """Return the settings that all connections share; raises `UsageError` for a broken certificate."""
        with self._lock:
            # Only when first needed: it takes longer than a small push.
            if not self._loaded:
                self._load()
            return self._context

    def _load(self) -> None:
        # As Go does: whatever is in a bundle is trusted, be it an authority's own or one below it.
        self._context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self.authorities:
            try:
                self._context.load_verify_locations(cadata=self.authorities)
            except ssl.SSLError as error:
                raise UsageError(f"a certificate in {_FILE} or {_FOLDERS} is broken: {error}") from error
        self._loaded = True


def read_trust(environment: Mapping[str, str]) -> Trust:
    """Read the bundle of SSL_CERT_FILE and the folders of SSL_CERT_DIR, or what OpenSSL takes by default.

    Raises `UsageError` where one that is named cannot be read, or a bundle holds no certificate.
    """
    defaults = ssl.get_default_verify_paths()
    bundle = environment.get(_FILE, "")
    found = list(_read(bundle, _FILE)) if bundle else []
    if bundle and not found:
        raise UsageError(f"{_FILE}: {bundle} holds no certificate in PEM form")
    folders = environment.get(_FOLDERS, "")
    for folder in filter(None, folders.split(":")):
        found += _read_folder(folder, _FOLDERS)
    if not (bundle or folders):
        if os.path.exists(defaults.openssl_cafile):
            found += _read(defaults.openssl_cafile, "the bundle of certificates")
        elif os.path.isdir(defaults.openssl_capath):
            found += _read_folder(defaults.openssl_capath, "the folder of certificates")
    return Trust("\n".join(dict.fromkeys(found)))


def _read_folder(folder: str, what: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UsageError(f"{what}: {described(error)}") from error
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            yield from _read(path, what)


def _read(path: str, what: str) -> Iterator[str]:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BUNDLE + 1)
    except OSError as error:
        raise UsageError(f"{what}: {described(error)}") from error
    if len(data) > _MAX_BUNDLE:
        raise UsageError(f"{what}: {path} is larger than {_MAX_BUNDLE} bytes")
    # Bundles hold comments in any encoding, too.
    return (match[0].decode("ascii") for match in _CERTIFICATE.finditer(data))
