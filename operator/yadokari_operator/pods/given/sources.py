"""Where the executor finds the build context: its location, and the volume and variables that it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yadokari_api.inputs.context import (
    AzureContext,
    ClaimContext,
    Context,
    GcsContext,
    GitContext,
    HttpContext,
    OciContext,
    S3Context,
)
from yadokari_api.references import SecretReference
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.spec import GitOptions
from yadokari_operator.pods.given.environment import from_secret, pull_login
from yadokari_operator.pods.inputs.files import ContextFiles
from yadokari_operator.pods.inputs.gathered import Inputs
from yadokari_operator.pods.names import context_name

Manifest = dict[str, Any]

CONTEXT_FOLDER = "/yadokari/input/context"
VOLUME = "context"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a context is: `location` and `sub_path` for the executor, and what the pod has for it.

    `volume` has no name yet; `mount` is what its mount says beside name and place.
    """

    location: str = f"dir://{CONTEXT_FOLDER}"
    sub_path: str = ""
    git: GitOptions = field(default_factory=GitOptions)
    volume: Mapping[str, Any] | None = None
    mount: Mapping[str, Any] | None = None
    env: tuple[Manifest, ...] = ()

    @property
    def volumes(self) -> list[Manifest]:
        """The pod's volumes for it."""
        return [] if self.volume is None else [{"name": VOLUME, **self.volume}]

    @property
    def mounts(self) -> list[Manifest]:
        """Where they are."""
        if self.volume is None:
            return []
        extra = {"readOnly": True} if self.mount is None else self.mount
        return [{"name": VOLUME, "mountPath": CONTEXT_FOLDER, **extra}]


def place(build: str, inputs: Inputs, run: str) -> Place:
    """Tell where the context of a build's run is."""
    context = inputs.spec.context
    if context is None:
        return Place(volume={"emptyDir": {}})
    if inputs.files is not None:
        return Place(volume=_of_config_maps(build, run, context, inputs.files))
    if inputs.artifact is not None:
        return _http(inputs.artifact.where)
    number = len(inputs.spec.pull_secret_refs) + 1
    return _elsewhere(context, number)


def context_login(spec: ImageBuildSpec) -> list[Manifest]:
    """Write the variables with which the place of a context is reached."""
    context = spec.context
    known = context and (context.config_map or context.config_maps or context.flux_source)
    if context is None or known is not None:
        return []
    return list(_elsewhere(context, len(spec.pull_secret_refs) + 1).env)


def repository(spec: ImageBuildSpec) -> str:
    """Name the repository and ref of a context, as the executor takes them; empty if it is of none."""
    git = spec.context.git if spec.context else None
    return _git(git).location if git else ""


def _of_config_maps(build: str, run: str, context: Context, files: tuple[ContextFiles, ...]) -> Manifest:
    if context.config_map is not None:
        return {"configMap": {"name": context_name(build, run)}}
    return {
        "projected": {
            "sources": [
                {
                    "configMap": {
                        "name": context_name(build, run, number),
                        "items": [{"key": key, "path": path} for key, path in sorted(part.paths.items())],
                    }
                }
                for number, part in enumerate(files, 1)
            ]
        }
    }


def _elsewhere(context: Context, login: int) -> Place:
    """Tell where a context is that the operator does not read."""
    if context.git is not None:
        return _git(context.git)
    if context.http is not None:
        return _http(context.http)
    if context.s3 is not None:
        return _s3(context.s3)
    if context.gcs is not None:
        return _gcs(context.gcs)
    if context.azure is not None:
        return _azure(context.azure)
    if context.oci is not None:
        return _oci(context.oci, login)
    assert context.persistent_volume_claim is not None
    return _claim(context.persistent_volume_claim)


def _git(git: GitContext) -> Place:
    if git.url.startswith("ssh://"):
        return _git_by_ssh(git)
    scheme, _, rest = git.url.partition("://")
    method = () if scheme == "https" else ({"name": "GIT_PULL_METHOD", "value": scheme},)
    return Place(
        location=f"git://{rest}" + (f"#{git.ref}" if git.ref else ""),
        sub_path=git.sub_path or "",
        git=GitOptions(recurse_submodules=bool(git.submodules)),
        env=(*method, *_login("GIT", git.secret_ref)),
    )


def _git_by_ssh(git: GitContext) -> Place:
    assert git.secret_ref is not None
    secret = git.secret_ref.name
    # As git's own URLs have it, which fetch submodules unless they say no.
    location = git.url + ("" if git.submodules else "?submodules=false") + (f"#{git.ref}" if git.ref else "")
    keys = {"SSH_PRIVATE_KEY": "ssh-privatekey", "SSH_KNOWN_HOSTS": "known_hosts"}
    env = tuple(from_secret(variable, secret, key) for variable, key in keys.items())
    return Place(location=location, sub_path=git.sub_path or "", env=env)


def _login(kind: str, secret: SecretReference | None) -> tuple[Manifest, ...]:
    """Hand over a Secret of type kubernetes.io/basic-auth."""
    if secret is None:
        return ()
    return (
        from_secret(f"{kind}_USERNAME", secret.name, "username", optional=True),
        from_secret(f"{kind}_PASSWORD", secret.name, "password"),
    )


def _http(http: HttpContext) -> Place:
    checksum = f"#sha256:{http.sha256}" if http.sha256 else ""
    return Place(location=http.url + checksum, env=_login("HTTP", http.secret_ref))


def _gcs(gcs: GcsContext) -> Place:
    given = gcs.secret_ref
    env = (from_secret("GCS_CREDENTIALS", given.name, "credentials.json"),) if given else ()
    return Place(location=f"gs://{gcs.bucket}/{gcs.key}", env=env)


def _s3(s3: S3Context) -> Place:
    variables = {
        "AWS_REGION": s3.region or "",
        "S3_ENDPOINT": s3.endpoint or "",
        "S3_FORCE_PATH_STYLE": "true" if s3.force_path_style else "",
    }
    env = [{"name": name, "value": value} for name, value in variables.items() if value]
    if s3.secret_ref:
        secret, session = s3.secret_ref.name, "AWS_SESSION_TOKEN"
        env += [from_secret(key, secret, key) for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
        env.append(from_secret(session, secret, session, optional=True))
    return Place(location=f"s3://{s3.bucket}/{s3.key}", env=tuple(env))


def _azure(azure: AzureContext) -> Place:
    key = "AZURE_STORAGE_ACCESS_KEY"
    env = (from_secret(key, azure.secret_ref.name, key),) if azure.secret_ref else ()
    return Place(location=azure.url, env=env)


def _oci(oci: OciContext, login: int) -> Place:
    env = (pull_login(login, oci.pull_secret_ref.name),) if oci.pull_secret_ref else ()
    return Place(location=f"oci://{oci.image}", env=env)


def _claim(claim: ClaimContext) -> Place:
    read_only = claim.read_only is not False
    mount: Manifest = {"readOnly": read_only} | ({"subPath": claim.sub_path} if claim.sub_path else {})
    volume = {"claimName": claim.claim_name, "readOnly": read_only}
    return Place(volume={"persistentVolumeClaim": volume}, mount=mount)
