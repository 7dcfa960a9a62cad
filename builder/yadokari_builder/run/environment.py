"""The environment of a RUN step."""

from collections.abc import Mapping

from yadokari_builder.dockerfile.predefined import DEFAULT_PATH


def step_environment(environment: Mapping[str, str], user_home: str) -> Mapping[str, str]:
    """Return what a step sees: `environment`, the image's and the build arguments in scope, made complete.

    As with BuildKit, PATH has a default and HOME, where it is unset or empty, is the user's from /etc/passwd
    ("/" for a user who is not there). Nothing of the executor's own environment is in it.
    """
    complete = {"PATH": DEFAULT_PATH, **environment}
    if not complete.get("HOME"):
        complete["HOME"] = user_home or "/"
    return complete
