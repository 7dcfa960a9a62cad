"""Caches in the executor's pod: what it is told of them, and the volume that keeps one.

Layers are kept in a registry alone, where no step can write: a step has no credentials. On a volume it could
leave what another build then takes for the result of a step. Digests of a context's files are on a volume,
and the registry vouches for them.
"""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from yadokari_api.cache import Cache, CacheRegistry
from yadokari_api.fields import repository_of, seconds
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.spec import BuildSpec
from yadokari_operator.settings import Settings, is_among

Manifest = dict[str, Any]

CACHES_FOLDER = "/yadokari/input/caches"
VOLUME = "caches"


def enabled_cache(spec: ImageBuildSpec) -> Cache | None:
    """Give what a spec says of caches, unless it wants none."""
    return None if spec.cache is None or spec.cache.disabled else spec.cache


def with_caches(build: BuildSpec, spec: ImageBuildSpec, namespace: str, settings: Settings) -> BuildSpec:
    """Say which caches the executor is to use.

    Those of `RUN --mount=type=cache` are for the builds of a namespace, which no build can choose. Who leaves
    nothing in a cache tells nobody what files hold.
    """
    cache = enabled_cache(spec)
    if cache is None:
        return build
    registry = cache.registry or CacheRegistry()
    read_only = bool(registry.read_only) or is_among(namespace, settings.cache_read_only_namespaces)
    repository = _repository(registry, spec)
    in_registry = cache.volume_claim is None and cache.mounts in ("Registry", None) and not read_only
    return replace(
        build,
        cache=True,
        cache_copy_layers=True,
        cache_repo=repository,
        cache_ttl=timedelta(seconds=seconds(registry.ttl)) if registry.ttl else build.cache_ttl,
        no_push_cache=read_only,
        cache_from=tuple(map(repository_of, registry.others)),
        cache_mounts_repo=repository if in_registry else "",
        cache_mounts_dir=CACHES_FOLDER if cache.volume_claim else "",
        cache_mounts_scope=namespace if in_registry or cache.volume_claim else "",
        context_digests_file="" if read_only else _digests_file(spec, namespace, repository),
    )


def volumes(spec: ImageBuildSpec) -> list[Manifest]:
    """Give the pod's volumes for caches."""
    cache = enabled_cache(spec)
    if cache is None or cache.volume_claim is None:
        return []
    return [{"name": VOLUME, "persistentVolumeClaim": {"claimName": cache.volume_claim.claim_name}}]


def mounts(spec: ImageBuildSpec) -> list[Manifest]:
    """Give their mounts."""
    cache = enabled_cache(spec)
    if cache is None or cache.volume_claim is None:
        return []
    part = {"subPath": cache.volume_claim.sub_path} if cache.volume_claim.sub_path else {}
    return [{"name": VOLUME, "mountPath": CACHES_FOLDER, **part}]


def _digests_file(spec: ImageBuildSpec, namespace: str, repository: str) -> str:
    """Name the file for digests of a context on a volume, which is no other volume's; "" for none.

    The cache in the repository vouches for it.
    """
    claim = spec.context.persistent_volume_claim if spec.context else None
    if claim is None or spec.cache is None or spec.cache.volume_claim is None:
        return ""
    whose = json.dumps([namespace, claim.claim_name, claim.sub_path or "", repository])
    return f"{CACHES_FOLDER}/context-{hashlib.sha256(whose.encode()).hexdigest()}"


def _repository(registry: CacheRegistry, spec: ImageBuildSpec) -> str:
    return repository_of(registry.image or f"{repository_of(spec.destinations[0].image)}/cache")
