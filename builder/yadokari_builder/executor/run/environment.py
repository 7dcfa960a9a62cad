"""The environment of a RUN step."""

from collections.abc import Mapping

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def step_environment(
    image_env: Mapping[str, str], args: Mapping[str, str], user_home: str
) -> Mapping[str, str]:
    """Return what a step sees: the image's environment over the build arguments in scope.

    `args` are the values that win nothing over ENV: the caller leaves out those that an ENV hides. As with
    BuildKit, PATH has a default and HOME, where it is unset or empty, is the user's from /etc/passwd
    ("/" for a user who is not there). Nothing of the executor's own environment is in it.
    """
    environment = {"PATH": DEFAULT_PATH} | dict(args) | dict(image_env)
    if not environment.get("HOME"):
        environment["HOME"] = user_home or "/"
    return environment
