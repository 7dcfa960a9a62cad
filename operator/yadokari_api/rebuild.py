"""When an image is built again though nothing of its ImageBuild has changed."""

from typing import Annotated

from pydantic import Field

from yadokari_api.fields import Duration, between
from yadokari_api.model import Model
from yadokari_api.rules import Rule, matches

_FIELD = r"[0-9A-Za-z*,/#-]+"
_NAMED = "@(hourly|daily|midnight|weekly|monthly|yearly|annually)"

Cron = Annotated[
    str,
    Field(max_length=128),
    matches(
        rf"{_NAMED}|{_FIELD}( +{_FIELD}){{4}}",
        "cron must be five fields (minute, hour, day of the month, month, day of the week), such as"
        " 0 3 * * 1, or one of @hourly, @daily, @weekly, @monthly and @yearly",
    ),
]
"""When something is due, as Debian's cron reads it; whether a field is right the operator alone can tell."""

TimeZone = Annotated[
    str,
    Field(max_length=64),
    matches(
        r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}",
        "timeZone must be a name of the time zone database, such as Europe/Berlin or Etc/UTC",
    ),
]

Interval = Annotated[Duration, between("1m", "720h", "interval must be between 1m and 720h")]


class Schedule(Model):
    """Times at which the image is built again."""

    cron: Cron = Field(
        description="Minute, hour, day of the month, month and day of the week, such as 0 3 * * 1, or @daily."
    )
    time_zone: TimeZone | None = Field(
        default=None,
        description="Time zone that these are of, such as Europe/Berlin; UTC where it is absent.",
    )


class Asking(Model):
    """How often it is asked whether something has moved."""

    interval: Interval = Field(description="How long to wait from one time to the next, 1m to 720h.")


class Rebuild(Model):
    """When the image is built again though nothing of the ImageBuild has changed."""

    RULES = (
        Rule(
            "has(self.schedule) || has(self.onBaseImageChange) || has(self.onGitChange)",
            "rebuild must name one of schedule, onBaseImageChange and onGitChange, or be left out",
            lambda it: bool(it.schedule or it.on_base_image_change or it.on_git_change),
        ),
    )

    schedule: Schedule | None = Field(
        default=None,
        description="Times at which it is built again. What is missed, while a build or no operator runs, is"
        " made up for by one build.",
    )
    on_base_image_change: Asking | None = Field(
        default=None,
        description="Build again where a base image that was found by a tag has another digest by now.",
    )
    on_git_change: Asking | None = Field(
        default=None, description="Build again where context.git has another commit by now."
    )
