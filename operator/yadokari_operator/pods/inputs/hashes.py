"""Hashes over all that makes an image and where it goes: what a build is known by."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yadokari_api.fields import spelled_out
from yadokari_api.inputs.context import Context
from yadokari_api.inputs.values import BuildSecret
from yadokari_api.pod.executor import Executor
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.pods.inputs.files import ContextFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a spec refers to: the Dockerfile unless it is in the context, files, all build arguments.

    `artifact` is the digest of an artifact of Flux.
    """

    dockerfile: bytes | None
    files: tuple[ContextFiles, ...] | None
    build_args: Mapping[str, str]
    artifact: str | None = None


def inputs_hash(spec: ImageBuildSpec, contents: Contents) -> str:
    """Hash what makes the image and where it goes: contents, not where they come from or how they are built.

    What is absent is left out, so that a field that comes later changes no hash. The operator's own settings
    do not count: an upgrade must not build every image of a cluster anew. Secrets count by their names, since
    their contents are not read.
    """
    executor, source = spec.executor, spec.dockerfile_from
    makes = {
        "dockerfile": None if contents.dockerfile is None else _sha256(contents.dockerfile),
        "dockerfilePath": source and source.path,
        "buildArgs": dict(contents.build_args),
        "buildArgsFrom": [
            [source.secret_ref.name, source.prefix or ""]
            for source in spec.build_args_from
            if source.secret_ref
        ],
        "secrets": {secret.id: _secret(secret) for secret in spec.secrets},
        "target": spec.target,
        "platforms": sorted(spec.platforms),
        "output": spec.output and _given(spec.output.model_dump(by_alias=True)),
        "destinations": sorted(spelled_out(to.image) for to in spec.destinations),
        "executor": executor and executor.image,
        "extraArgs": executor and list(executor.extra_args),
        "mounts": executor and _mounts(executor),
        "certificatesInSteps": spec.certificates and spec.certificates.in_steps,
    }
    present = {name: value for name, value in makes.items() if value}
    if contents.artifact is not None:
        present["context"] = contents.artifact
    elif spec.context is not None:
        present["context"] = _place(spec.context) if contents.files is None else _files(contents.files)
    return _sha256(json.dumps(present, sort_keys=True).encode())


def tells_all(spec: ImageBuildSpec) -> bool:
    """Whether equal hashes are equal contents: a context that is elsewhere may have others by now.

    So may a Secret with build arguments and a volume that steps see: they count by their names.
    """
    if any(source.secret_ref for source in spec.build_args_from):
        return False
    if spec.executor and any(volume.empty_dir is None for volume in spec.executor.volumes):
        return False
    context = spec.context
    if context is None or context.config_map is not None or context.config_maps is not None:
        return True
    if context.git is not None:
        return re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", context.git.ref or "") is not None
    if context.http is not None:
        return context.http.sha256 is not None
    if context.flux_source is not None:
        return True
    return context.oci is not None and "@" in context.oci.image


def _secret(secret: BuildSecret) -> list[str]:
    encoding = [secret.encoding] if secret.encoding else []
    return [secret.secret_ref.name, secret.secret_ref.key, *encoding]


def _mounts(executor: Executor) -> dict[str, Any]:
    """Tell where steps find what: files that are there before them, and folders that are in no image."""
    volumes = {volume.name: volume for volume in executor.volumes}
    return {
        mount.mount_path: _given(
            {
                "subPath": mount.sub_path,
                "readOnly": mount.read_only or (claim is not None and claim.read_only),
                "configMap": files and files.name,
                "claim": claim and claim.claim_name,
            }
        )
        for mount in executor.volume_mounts
        for files in [volumes[mount.name].config_map]
        for claim in [volumes[mount.name].persistent_volume_claim]
    }


def _files(files: tuple[ContextFiles, ...]) -> dict[str, str]:
    return {it.paths[key]: _sha256(content) for it in files for key, content in it.data.files.items()}


# How a place is read is no part of what it is.
_MEANS = frozenset({"secretRef", "pullSecretRef", "readOnly", "forcePathStyle"})


def _place(context: Context) -> dict[str, Any]:
    """Tell where a context is whose files are not known here."""
    fields: dict[str, Any] = _given(context.model_dump(by_alias=True))
    return {kind: _given(value, without=_MEANS) for kind, value in fields.items()}


def _given(fields: Mapping[str, Any], without: frozenset[str] = frozenset()) -> dict[str, Any]:
    return {
        name: value
        for name, value in fields.items()
        # Zero is a time that somebody chose.
        if name not in without and value is not False and value not in (None, "", {}, ())
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_FIRST_FIELDS: dict[str, Any] = {
    "build_args": True,
    "target": True,
    "destinations": True,
    "pull_secret_refs": True,
    "timeout": True,
    "executor": {"image", "resources", "node_selector", "tolerations"},
}


def former_hash(spec: ImageBuildSpec, contents: Contents) -> str | None:
    """Hash as the first version did: the whole spec of that version, and the contents.

    It had no hash for what only later versions can build.
    """
    files = contents.files
    if contents.dockerfile is None or _is_later(spec):
        return None
    fields = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=_FIRST_FIELDS)
    if not fields.get("executor"):
        fields.pop("executor", None)
    for destination in fields["destinations"]:
        if not destination.get("insecure"):
            destination.pop("insecure", None)
    data = None if files is None else [dict(files[0].data.text), dict(files[0].data.binary)]
    text = json.dumps(
        [fields, contents.dockerfile.decode(errors="replace"), data], sort_keys=True, ensure_ascii=False
    )
    return _sha256(text.encode("utf-8", "surrogatepass"))


def _is_later(spec: ImageBuildSpec) -> bool:
    """Whether a spec has a field that makes the image and that the first version did not know."""
    return bool(
        (spec.context is not None and spec.context.config_map is None)
        or spec.build_args_from
        or spec.secrets
        or spec.output
        or spec.platforms
        or (spec.certificates is not None and spec.certificates.in_steps)
        or (spec.executor is not None and (spec.executor.extra_args or spec.executor.volumes))
    )
