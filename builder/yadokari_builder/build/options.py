"""How a build's arguments want layers packed and times written."""

import logging
import posixpath
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from yadokari_builder.build.packing import Packing
from yadokari_builder.dockerfile.epoch import parse_epoch
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.predefined import SOURCE_DATE_EPOCH
from yadokari_builder.errors import UsageError
from yadokari_builder.layers.compression import Compression, CompressionKind
from yadokari_builder.rootfs.paths import normalise
from yadokari_contract.arguments import BuildSpec

logger = logging.getLogger(__name__)

_VAR_RUN = "/var/run"
# zstd takes up to 900 MB for levels above 19.
_LEVELS = {CompressionKind.GZIP: range(10), CompressionKind.ZSTD: range(1, 20)}
_DEFAULT_LEVEL = -1


def read_packing(spec: BuildSpec, epoch: int | None, folder: Path) -> Packing:
    """Return how layers are packed; raises `UsageError` for levels and paths that cannot be."""
    if spec.snapshot_mode or spec.use_new_run:
        logger.info("--snapshot-mode and --use-new-run change nothing: snapshots are always exact")
    paths = [*spec.ignore_paths, *([_VAR_RUN] if spec.ignore_var_run else [])]
    ignored = frozenset(normalise(posixpath.join("/", path)) for path in paths)
    if "/" in ignored:
        raise UsageError("--ignore-path is /: nothing would be left to put into a layer")
    return Packing(folder, _compression(spec), epoch, ignored)


def read_epoch(spec: BuildSpec, environment: Mapping[str, str], of_dockerfile: int | None) -> int | None:
    """Return the latest time that anything in the image may have, in seconds since the epoch; None for now.

    SOURCE_DATE_EPOCH is a build argument, in the environment or, if in neither, in the Dockerfile;
    --reproducible alone means 0. Raises `UsageError` where it is no number.
    """
    given = spec.build_args.get(SOURCE_DATE_EPOCH)
    text = environment.get(SOURCE_DATE_EPOCH, "") if given is None else given
    if text:
        try:
            return parse_epoch(text)
        except LanguageError as error:
            raise UsageError(error.message) from None
    return 0 if of_dockerfile is None and spec.reproducible else of_dockerfile


def timestamp(epoch: int | None) -> str:
    """Return a time in RFC 3339: the given one, else now."""
    time = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)
    return time.isoformat().replace("+00:00", "Z")


def _compression(spec: BuildSpec) -> Compression:
    kind = CompressionKind(spec.compression)
    if spec.compression_level == _DEFAULT_LEVEL:
        return Compression(kind)
    levels = _LEVELS[kind]
    if spec.compression_level not in levels:
        raise UsageError(
            f"--compression-level is {spec.compression_level}: for {kind.value} it can be"
            f" {levels.start} to {levels.stop - 1}, or {_DEFAULT_LEVEL} for what suits building"
        )
    return Compression(kind, spec.compression_level)
