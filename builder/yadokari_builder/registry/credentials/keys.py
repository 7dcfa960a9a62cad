"""What credentials are kept under: a registry, or a registry and the beginning of a repository's path.

The longest key that fits counts, and a host may hold `*` for one of its labels, as in Kubernetes.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from yadokari_builder.oci.reference import Repository
from yadokari_contract.references import DOCKER_HUB

HUB_KEY = "https://index.docker.io/v1/"
"""What every tool looks under for the credentials of Docker Hub, since docker login writes it."""
_HUB_HOSTS = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})


def parse_key(text: str) -> str:
    """Bring a key into the form `host[/path]`, without scheme and the version of the registry's API."""
    host, _, path = text.partition("://")[2 if "://" in text else 0].partition("/")
    path = path.strip("/")
    for version in ("v1", "v2"):
        if path == version or path.startswith(f"{version}/"):
            path = path[3:]
    host = canonical_host(host)
    return f"{host}/{path}" if path else host


def best_key(keys: Iterable[str], repository: Repository) -> str | None:
    """Return the key that fits a repository best; None if none does."""
    host = canonical_host(repository.registry)
    fitting = [key for key in keys if _fits(key, host, repository.name)]
    return max(fitting, key=_specificity, default=None)


def canonical_host(host: str) -> str:
    """Return the one name that a registry has here: Docker Hub has several."""
    host = host.lower()
    return DOCKER_HUB if host in _HUB_HOSTS else host


def _fits(key: str, host: str, name: str) -> bool:
    pattern, _, path = key.partition("/")
    labels, wanted = host.split("."), pattern.split(".")
    same_host = len(labels) == len(wanted) and all(map(fnmatchcase, labels, wanted))
    return same_host and (not path or f"{name}/".startswith(f"{path}/"))


def _specificity(key: str) -> tuple[int, bool, str]:
    host, _, path = key.partition("/")
    return len(path), "*" not in host, key
