"""Credentials in variables: kaniko's own (`--credential-helpers env`) and a GitLab job's (`gitlab`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.credential import Credential
from yadokari_builder.registry.credentials.keys import canonical_host, parse_key
from yadokari_contract.references import DOCKER_HUB

# kaniko's name of Docker Hub, of which the shorter ones are ends.
_HUB = "index.docker.io"


@dataclass(frozen=True, slots=True)
class KanikoVariables:
    """`KANIKO_<HOST>_USER` and `_PASSWORD`, with `_` for `.`, `-` and `:`; the end of a host will do.

    For `registry.example.com` those of `REGISTRY_EXAMPLE_COM` come first, then `EXAMPLE_COM`, then `COM`.
    """

    environment: Mapping[str, str] = field(repr=False)

    def find(self, repository: Repository) -> Credential | None:
        """Return the credential for a repository; None if there is none."""
        host = _HUB if repository.registry == DOCKER_HUB else repository.registry
        for name in _names(host):
            user = self.environment.get(f"KANIKO_{name}_USER")
            password = self.environment.get(f"KANIKO_{name}_PASSWORD")
            if user is not None and password is not None:
                return Credential(user, password)
        return None

    def hint(self, repository: Repository) -> str:  # noqa: ARG002
        """Return "": there is nothing more to say."""
        return ""


@dataclass(frozen=True, slots=True)
class GitLabVariables:
    """What a job of GitLab has for its project's registry and for its group's dependency proxy."""

    environment: Mapping[str, str] = field(repr=False)

    def find(self, repository: Repository) -> Credential | None:
        """Return the credential for a repository; None if there is none."""
        wanted = canonical_host(repository.registry)
        for server, prefix in (("CI_REGISTRY", "CI_REGISTRY"), (f"{_PROXY}_SERVER", _PROXY)):
            host = parse_key(self.environment.get(server, "")).partition("/")[0]
            user = self.environment.get(f"{prefix}_USER")
            password = self.environment.get(f"{prefix}_PASSWORD")
            if host == wanted and user is not None and password is not None:
                return Credential(user, password)
        return None

    def hint(self, repository: Repository) -> str:  # noqa: ARG002
        """Return "": there is nothing more to say."""
        return ""


_PROXY = "CI_DEPENDENCY_PROXY"


def _names(host: str) -> Iterator[str]:
    labels = host.upper().replace("-", "_").replace(":", "_").split(".")
    for start in range(len(labels)):
        yield "_".join(labels[start:])
