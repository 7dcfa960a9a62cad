"""The files that a build was asked for: whether they can be written, and what the small ones say."""

import os
from collections.abc import Iterator, Sequence

from yadokari_builder.errors import UsageError, described
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.reference import Reference
from yadokari_builder.outputs import names
from yadokari_builder.outputs.address import host_of, is_address, send
from yadokari_builder.outputs.files import naming, require_file, require_folder
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.transport import Transport
from yadokari_contract.spec import BuildSpec

_DIGEST = "--digest-file"
_NAME = "--image-name-with-digest-file"
_TAGGED_NAME = "--image-name-tag-with-digest-file"
_GOOGLE = "BUILDER_OUTPUT"


def require_outputs(spec: BuildSpec) -> None:
    """Make sure that all outputs can be written, before anything is done for them; raises `UsageError`."""
    places = [
        *((flag, path, require_file) for flag, path in _small_files(spec)),
        ("--tar-path", spec.tar_path, require_file),
        ("--oci-layout-path", spec.oci_layout_path, require_folder),
        (_GOOGLE, spec.builder_output, require_folder),
    ]
    for flag, path, require in places:
        if flag == _DIGEST and is_address(path):
            host_of(path)
        elif "://" in path:
            raise UsageError(f"{flag} {path} is no file: an https:// address can be that of {_DIGEST} alone")
        elif path:
            try:
                require(path)
            except OSError as error:
                raise UsageError(f"{flag} {path} cannot be written: {described(error)}") from error
    if not spec.destinations:
        for flag, path in _small_files(spec):
            if flag != _DIGEST:
                raise UsageError(f"{flag} {path} would be empty: no --destination names the image")


def tell(spec: BuildSpec, destinations: Sequence[Reference], digest: Digest, network: Network) -> None:
    """Write the small files that say what came out, or send them; raises `BuilderError`."""
    texts = {
        _DIGEST: str(digest),
        _NAME: names.with_digest(destinations, digest),
        _TAGGED_NAME: names.with_tag_and_digest(destinations, digest),
    }
    for flag, path in _small_files(spec):
        if is_address(path):
            send(path, texts[flag], Transport(network))
            continue
        with naming(flag, path):
            names.write_text(path, texts[flag])
    if spec.builder_output and not spec.no_push:
        path = os.path.join(spec.builder_output, names.IMAGES)
        with naming(_GOOGLE, path):
            names.write_text(path, names.as_json(destinations, digest))


def hosts(spec: BuildSpec) -> Iterator[str]:
    """Yield the hosts that something is sent to in the end."""
    return (host_of(path) for _, path in _small_files(spec) if is_address(path))


def _small_files(spec: BuildSpec) -> Iterator[tuple[str, str]]:
    files = (
        (_DIGEST, spec.digest_file),
        (_NAME, spec.image_name_with_digest_file),
        (_TAGGED_NAME, spec.image_name_tag_with_digest_file),
    )
    return ((flag, path) for flag, path in files if path)
