"""The clouds' registries: which they are, and who the executor is there.

What asks the clouds is loaded when one of their registries is met: it is much to load for others.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from yadokari_builder.errors import UsageError
from yadokari_builder.registry.credentials import acr, gcr
from yadokari_builder.registry.credentials.acr import AzureIdentity
from yadokari_builder.registry.credentials.cloud import Cloud, Lease
from yadokari_builder.registry.credentials.credential import Place
from yadokari_builder.registry.credentials.ecr import EcrService
from yadokari_builder.registry.http.connections import Network
from yadokari_contract.proxies import Proxies


def cloud_places(
    environment: Mapping[str, str], network: Network, azure_config: str = ""
) -> Mapping[str, Callable[[], Place]]:
    """Return what makes the place of each kind of cloud that `--credential-helpers` can name.

    Raises `UsageError` for a file of `azure_config` that cannot be read.
    """
    # Services of the node are asked directly.
    direct = replace(network, proxies=Proxies())
    identity = _read_azure(azure_config, environment)

    def google(registry: str) -> Lease | None:
        from yadokari_builder.registry.clouds.lending import Google

        return Google(environment, network.pools(), direct.pools()).lend(registry)

    def ecr(registry: str) -> Lease | None:
        from yadokari_builder.registry.clouds.lending import Ecr

        return Ecr(environment, network.pools(), direct.pools()).lend(registry)

    def azure(registry: str) -> Lease | None:
        from yadokari_builder.registry.clouds.lending import Acr

        return Acr(identity, environment, network.pools(), direct.pools()).lend(registry)

    return {
        "google": lambda: Cloud(gcr.is_registry, google),
        "ecr": lambda: Cloud(lambda registry: EcrService.of(registry) is not None, ecr),
        "acr": lambda: Cloud(acr.is_registry, azure),
    }


def _read_azure(path: str, environment: Mapping[str, str]) -> AzureIdentity:
    if not path:
        return AzureIdentity.of_environment(environment)
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"--azure-container-registry-config: {path} cannot be read") from None
    return AzureIdentity.parse(text, path)
