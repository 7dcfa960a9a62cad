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
from typing import NamedTuple

from yadokari_builder.errors import UsageError, described

_FILE, _FOLDERS = "SSL_CERT_FILE", "SSL_CERT_DIR"
_KANIKO_FOLDER = "/kaniko/ssl/certs"
_CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----[^-]*-----END (?:X509 )?CERTIFICATE-----")
_MAX_BUNDLE = 16 * 1024 * 1024


class ClientCertificate(NamedTuple):
    """The files, in PEM form, by which the executor says who it is."""

    chain: str
    key: str


@dataclass(slots=True)
class Trust:
    """Certificates of authorities, as PEM text; `context` may be called by several threads.

    Where it is not `verified`, anybody is taken for who they say they are. `client` is shown to those who ask
    for it; its files are read at once (`UsageError`).
    """

    authorities: str
    verified: bool = True
    client: ClientCertificate | None = None
    _lock: Lock = field(default_factory=Lock, repr=False)
    _loaded: bool = False
    # Made at once, as that has OpenSSL read its configuration, which a step might write.
    _context: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def __post_init__(self) -> None:
        if not self.verified:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
            self._loaded = True
        if self.client:
            _load_client(self._context, self.client)

    def context(self) -> ssl.SSLContext:
        """Return the settings that all connections share; raises `UsageError` for a broken certificate."""
        with self._lock:
            # Only when first needed: it takes longer than a small push.
            if not self._loaded:
                self._load()
            return self._context

    def adding(self, path: str, what: str) -> str:
        """Return the authorities and those of a file; raises `UsageError`."""
        return "\n".join(dict.fromkeys(filter(None, (self.authorities, *_read_bundle(path, what)))))

    def _load(self) -> None:
        # As Go does: whatever is in a bundle is trusted, be it an authority's own or one below it.
        self._context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self.authorities:
            try:
                self._context.load_verify_locations(cadata=self.authorities)
            except ssl.SSLError as error:
                where = f"{_FILE}, {_FOLDERS} or --registry-certificate"
                raise UsageError(f"a certificate in {where} is broken: {error}") from error
        self._loaded = True


def read_trust(environment: Mapping[str, str], kaniko_folder: str = _KANIKO_FOLDER) -> Trust:
    """Read the certificates of the authorities that are trusted for all hosts.

    They are in the bundle of SSL_CERT_FILE, or in the one that OpenSSL takes by default, and in the folders
    of SSL_CERT_DIR besides, as for Go; and in kaniko's, which people mount their own into.

    Raises `UsageError` where one that is named cannot be read, or a bundle holds no certificate.
    """
    bundle, folders = environment.get(_FILE, ""), environment.get(_FOLDERS, "")
    found = _read_bundle(bundle, _FILE) if bundle else list(_read_defaults(with_folder=not folders))
    named = list(filter(None, folders.split(":")))
    for folder in named:
        found += _read_folder(folder, _FOLDERS)
    if kaniko_folder not in named and os.path.isdir(kaniko_folder):
        found += _read_folder(kaniko_folder, "kaniko's folder of certificates")
    return Trust("\n".join(dict.fromkeys(found)))


def _read_defaults(*, with_folder: bool) -> Iterator[str]:
    defaults = ssl.get_default_verify_paths()
    if os.path.exists(defaults.openssl_cafile):
        yield from _read(defaults.openssl_cafile, "the bundle of certificates")
    elif with_folder and os.path.isdir(defaults.openssl_capath):
        yield from _read_folder(defaults.openssl_capath, "the folder of certificates")


def _read_bundle(path: str, what: str) -> list[str]:
    found = list(_read(path, what))
    if not found:
        raise UsageError(f"{what}: {path} holds no certificate in PEM form")
    return found


def _load_client(context: ssl.SSLContext, client: ClientCertificate) -> None:
    def refuse_to_ask() -> str:
        raise ssl.SSLError("the key is locked by a password")

    try:
        context.load_cert_chain(client.chain, client.key, refuse_to_ask)
    except (OSError, ValueError) as error:
        why = f"{client.chain} and {client.key} are no certificate and its key in PEM form"
        raise UsageError(f"--registry-client-cert: {why}: {error}") from error


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
    return certificates_in(data)


def certificates_in(data: bytes) -> Iterator[str]:
    """Find the certificates (PEM) in a bundle, which holds comments in any encoding, too."""
    return (match[0].decode("ascii") for match in _CERTIFICATE.finditer(data))
