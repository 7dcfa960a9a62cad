"""The build context of a spec: where the files come from that COPY and ADD find."""

import re
from typing import Annotated, Literal

from pydantic import Field

from yadokari_api.fields import ConfigMapKey, ImageReference, ResourceName
from yadokari_api.model import Model, exactly_one
from yadokari_api.references import ConfigMapReference, SecretReference
from yadokari_api.rules import Rule, matches

MOST_CONFIG_MAPS = 16

RelativePath = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    matches(r"[^/\n].*", "a path must be relative and on one line, such as docker/Dockerfile"),
    Rule(
        "!self.matches('(^|/)[.][.](/|$)')",
        "a path must not lead out of its folder: write it without ..",
        lambda value: ".." not in value.split("/"),
    ),
]
"""A path below the context."""

_HOST = r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?"


class ConfigMapItem(Model):
    """One file of a ConfigMap."""

    key: ConfigMapKey = Field(description="Key of the ConfigMap.")
    path: RelativePath = Field(description="What the file is called in the context.")


class ConfigMapFiles(Model):
    """The files of a ConfigMap, or some of them, in a folder of the context."""

    name: ResourceName = Field(description="Name of the ConfigMap.")
    path: RelativePath | None = Field(
        default=None, description="Folder that they are put into; the context itself where it is absent."
    )
    items: Annotated[tuple[ConfigMapItem, ...], Field(max_length=64)] = Field(
        default=(), strict=False, description="Which files, and what they are called; all where it is absent."
    )


class GitContext(Model):
    """A commit of a git repository."""

    RULES = (
        Rule(
            "!self.url.startsWith('ssh://') || has(self.secretRef)",
            "over ssh it takes a key: name as secretRef a Secret with ssh-privatekey and known_hosts",
            lambda it: not it.url.startswith("ssh://") or it.secret_ref is not None,
        ),
    )

    url: Annotated[
        str,
        Field(max_length=1024),
        matches(
            rf"(https?://|ssh://([A-Za-z0-9._-]+@)?)({_HOST})/[^\s#?@]+",
            "url must be https://HOST/PATH or ssh://[USER@]HOST/PATH, without password, ref and query: there"
            " are ref, subPath and secretRef for them",
        ),
    ] = Field(description="Where the repository is.")
    ref: (
        Annotated[
            str,
            Field(min_length=1, max_length=255),
            matches(r"[^\s:#?~^\\-][^\s:#?~^\\]*", "ref must be a branch, a tag or a commit"),
        ]
        | None
    ) = Field(
        default=None,
        description="Branch, tag or commit; the default branch where it is absent. Each build looks a branch"
        " or tag up; one begins because it has moved where rebuild.onGitChange says so.",
    )
    sub_path: RelativePath | None = Field(default=None, description="Folder of the repository to build.")
    submodules: bool | None = Field(
        default=None, description="Fetch submodules, too; false where it is absent."
    )
    secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret of type kubernetes.io/basic-auth: username, and a password or token as password."
        " Over ssh one of type kubernetes.io/ssh-auth: a key without passphrase as ssh-privatekey, and the"
        " server's own key as known_hosts.",
    )


class HttpContext(Model):
    """An archive on the web: tar, plain or compressed by gzip, bzip2, xz or zstd."""

    RULES = (
        Rule(
            "!self.url.endsWith('.git') && !self.url.matches('^https://[a-z0-9-]+[.]blob[.]core[.]')",
            "url must be that of an archive: write a repository as git, a blob of Azure as azure",
            lambda it: (
                not it.url.endswith(".git")
                and not re.match(r"https://[a-z0-9-]+\.blob\.core\.", it.url, re.ASCII)
            ),
        ),
    )

    url: Annotated[
        str,
        Field(max_length=1024),
        matches(
            rf"https?://({_HOST})/[^\s#@]+",
            "url must be https://HOST/PATH, without user and password and without #",
        ),
    ] = Field(description="Where the archive is.")
    sha256: (
        Annotated[
            str,
            Field(max_length=64),
            matches("[0-9a-f]{64}", "sha256 must be 64 hexadecimal digits in lower case"),
        ]
        | None
    ) = Field(default=None, description="Checksum that its bytes must have.")
    secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret of type kubernetes.io/basic-auth: username and password, for this server alone.",
    )


_Bucket = Annotated[
    str,
    Field(max_length=222),
    matches(
        r"[a-z0-9][a-z0-9._-]{1,221}",
        "bucket must be a bucket's name: lower-case letters, digits, ., - and _",
    ),
]
_ObjectKey = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    matches(r"[^/\s#?][^\s#?]*", "key must name an object, without / at its start, blanks, # and ?"),
]


class S3Context(Model):
    """An archive in a bucket of S3, or of a storage that speaks its protocol."""

    bucket: _Bucket = Field(description="Name of the bucket.")
    key: _ObjectKey = Field(description="Key of the archive.")
    region: (
        Annotated[
            str,
            Field(max_length=64),
            matches("[a-z0-9-]+", "region must be like eu-central-1: lower-case letters, digits and -"),
        ]
        | None
    ) = Field(default=None, description="Region of the bucket; the storage tells it where it is absent.")
    endpoint: (
        Annotated[
            str,
            Field(max_length=512),
            matches(rf"https?://({_HOST})/?", "endpoint must be https://HOST[:PORT], without a path"),
        ]
        | None
    ) = Field(default=None, description="Address of a storage that is not that of AWS.")
    force_path_style: bool | None = Field(
        default=None, description="The storage has no host of its own for each bucket; false where absent."
    )
    secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret with the keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if there is one,"
        " AWS_SESSION_TOKEN. Without it the pod's own identity is used, or none.",
    )


class GcsContext(Model):
    """An archive in a bucket of Google Cloud Storage."""

    bucket: _Bucket = Field(description="Name of the bucket.")
    key: _ObjectKey = Field(description="Name of the archive.")
    secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret with a file of Google's credentials, such as a service account's key, as"
        " credentials.json. Without it the pod's own identity is used, or none.",
    )


class AzureContext(Model):
    """An archive that is a blob of Azure's storage."""

    url: Annotated[
        str,
        Field(max_length=1024),
        matches(
            r"https://[a-z0-9-]+\.blob\.core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net|cloudapi\.de)"
            r"/[^\s#?@/]+/[^\s#?@]+",
            "url must be https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB, without a signature: name a"
            " Secret with the account's key as secretRef",
        ),
    ] = Field(description="Where the blob is.")
    secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret with the account's key as AZURE_STORAGE_ACCESS_KEY. Without it the pod's own"
        " identity is used, or none.",
    )


class OciContext(Model):
    """What a registry has: an image's layers, an artifact of Flux, files and folders that ORAS pushed."""

    image: ImageReference = Field(description="Reference of the artifact.")
    pull_secret_ref: SecretReference | None = Field(
        default=None, description="Secret of type kubernetes.io/dockerconfigjson with the right to pull it."
    )


class ClaimContext(Model):
    """A folder of a volume."""

    claim_name: ResourceName = Field(description="Name of the PersistentVolumeClaim.")
    sub_path: RelativePath | None = Field(default=None, description="Folder of the volume to build.")
    read_only: bool | None = Field(
        default=None, description="Mount the volume for reading alone; true where it is absent."
    )


class FluxSource(Model):
    """What Flux's source-controller fetches, as an artifact that is followed as it changes."""

    kind: Literal["GitRepository", "OCIRepository", "Bucket"] = Field(
        json_schema_extra={"enum": ["GitRepository", "OCIRepository", "Bucket"]},
        description="GitRepository, OCIRepository or Bucket, of source.toolkit.fluxcd.io/v1.",
    )
    name: ResourceName = Field(description="Its name, in the namespace of the ImageBuild.")


class Context(Model):
    """The files that COPY and ADD find."""

    RULES = (
        exactly_one(
            (
                "config_map",
                "config_maps",
                "git",
                "http",
                "s3",
                "gcs",
                "azure",
                "oci",
                "persistent_volume_claim",
                "flux_source",
            ),
            "context must name exactly one place: configMap, configMaps, git, http, s3, gcs, azure, oci,"
            " persistentVolumeClaim or fluxSource; leave context out for an empty one",
        ),
    )

    config_map: ConfigMapReference | None = Field(
        default=None, description="ConfigMap whose keys are the files of the build context."
    )
    config_maps: (
        Annotated[tuple[ConfigMapFiles, ...], Field(min_length=1, max_length=MOST_CONFIG_MAPS)] | None
    ) = Field(default=None, strict=False, description="Files of several ConfigMaps, in folders.")
    git: GitContext | None = Field(default=None, description="A commit of a git repository.")
    http: HttpContext | None = Field(default=None, description="An archive on the web.")
    s3: S3Context | None = Field(default=None, description="An archive in a bucket of S3 or its likes.")
    gcs: GcsContext | None = Field(
        default=None, description="An archive in a bucket of Google Cloud Storage."
    )
    azure: AzureContext | None = Field(default=None, description="An archive that is a blob of Azure.")
    oci: OciContext | None = Field(default=None, description="What a registry has.")
    persistent_volume_claim: ClaimContext | None = Field(default=None, description="A folder of a volume.")
    flux_source: FluxSource | None = Field(
        default=None,
        description="The artifact of a source of Flux; a build begins when that has another one.",
    )
