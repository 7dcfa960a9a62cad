"""Build contexts that are archives on the web: `https://HOST/PATH[#sha256:HEX]`.

HTTP_USERNAME and HTTP_PASSWORD are credentials for the server that the context names, where it holds none.
"""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from yadokari_builder.dockerfile.checksum import Checksum
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.urls import without_credentials
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.archive import unpack_context
from yadokari_builder.sources.context import Context, Location, Surroundings
from yadokari_builder.sources.web import check, fetched


def open_web_archive(location: Location, around: Surroundings) -> Context:
    """Unpack an archive while it is fetched; its digest is that of the bytes as they came.

    Where a fragment says which one it must be, others raise ContextError; for other errors see `download`.
    """
    url, _, fragment = str(location).partition("#")
    expected = _checksum(url, fragment)
    folder = around.place.new_folder()
    algorithm = expected.algorithm if expected else "sha256"
    with fetched(_with_login(url, around.environment), around.http) as body:
        digest = unpack_context(
            body, folder, without_credentials(url), around.allowance(), algorithm=algorithm
        )
    check(url, Checksum.parse(digest), expected)
    return Context(folder, resolved=digest)


def _with_login(url: str, environment: Mapping[str, str]) -> str:
    user, password = (environment.get(f"HTTP_{name}", "") for name in ("USERNAME", "PASSWORD"))
    parts = urlsplit(url)
    if not (user or password) or "@" in parts.netloc:
        return url
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))


def _checksum(url: str, fragment: str) -> Checksum | None:
    if not fragment:
        return None
    try:
        return Checksum.parse(fragment)
    except LanguageError as error:
        raise ContextError(
            f"{without_credentials(url)}: {error.message}: what follows # is the checksum of an archive,"
            " as in #sha256:HEX; a git repository's URL ends in .git"
        ) from None
