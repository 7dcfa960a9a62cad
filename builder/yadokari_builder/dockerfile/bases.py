"""FROM, evaluated: what a stage starts from once its variables are known."""

from collections.abc import Mapping
from dataclasses import dataclass

from yadokari_builder.dockerfile.listener import Listener
from yadokari_builder.dockerfile.location import LanguageError, blaming
from yadokari_builder.dockerfile.parser import Stage
from yadokari_builder.dockerfile.suggestion import with_suggestion
from yadokari_builder.dockerfile.words import Expansion, process
from yadokari_builder.oci.platform import InvalidPlatformError, Platform


@dataclass(frozen=True, slots=True)
class Base:
    """The name of an image or of a stage, and the platform that it is wanted for."""

    image: str
    platform: Platform


def read_base(
    stage: Stage, meta_env: Mapping[str, str], escape: str, platform: Platform, listener: Listener
) -> Base:
    """Evaluate a stage's FROM; raises DockerfileError.

    `meta_env` are the ARGs before the first FROM and the platform arguments. `platform` counts where none is
    named, and completes one of which half is named.
    """
    base = stage.base
    with blaming(base.location, base.original):
        image = process(base.image, meta_env, escape)
        listener.image_expanded(stage, image)
        if not image.text:
            raise LanguageError(f"base name ({base.image}) should not be blank", base.image)
        if not base.platform:
            return Base(image.text, platform)
        wanted = process(base.platform, meta_env, escape)
        listener.platform_expanded(stage, wanted)
        return Base(image.text, _platform(base.platform, wanted, meta_env, platform))


def _platform(written: str, wanted: Expansion, env: Mapping[str, str], default: Platform) -> Platform:
    if not wanted.text:
        raise _explained(f"empty platform value from expression {written}", written, wanted, env)
    try:
        return Platform.parse(wanted.text, default=default)
    except InvalidPlatformError as error:
        message = f"failed to parse platform {written}: {error.message}"
        raise _explained(message, written, wanted, env) from None


def _explained(message: str, written: str, wanted: Expansion, env: Mapping[str, str]) -> LanguageError:
    """Return an error that names the variable that may have been meant."""
    for name in sorted(wanted.unmatched):
        error = with_suggestion(message, name, env)
        if error.message != message:
            return LanguageError(error.message, written)
    return LanguageError(message, written)
