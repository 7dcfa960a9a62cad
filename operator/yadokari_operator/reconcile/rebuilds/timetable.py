"""When a schedule is due."""

from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from yadokari_api.rebuild import Schedule

_NAMED = MappingProxyType(
    {
        "@hourly": "0 * * * *",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *",
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
    }
)


class ScheduleError(ValueError):
    """A schedule cannot be; the text names the field and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """A schedule that can be: `text` is how people wrote it."""

    text: str
    cron: str
    zone: ZoneInfo

    @classmethod
    def of(cls, schedule: Schedule, now: datetime) -> "Timetable":
        """Read a schedule that is to have a time after now; raises `ScheduleError`."""
        name = schedule.time_zone or "UTC"
        try:
            zone = ZoneInfo(name)
        except (LookupError, ValueError, OSError):
            raise ScheduleError(
                f"spec.rebuild.schedule.timeZone: there is no time zone {name}: write it as Europe/Berlin"
            ) from None
        table = cls(f"{schedule.cron} {name}", _NAMED.get(schedule.cron, schedule.cron), zone)
        try:
            due = table.after(now)
        except (CronSimError, AssertionError) as error:
            raise ScheduleError(
                f"spec.rebuild.schedule.cron: {schedule.cron}: {str(error).lower() or 'it cannot be read'}"
            ) from None
        if due is None:
            raise ScheduleError(f"spec.rebuild.schedule.cron: {schedule.cron}: there never is such a time")
        return table

    def after(self, time: datetime) -> datetime | None:
        """Tell the first time that is due after another one, if there is any in the next decades.

        Where clocks are changed, what is due in the hour that is left out is due at once after it, and what
        is due in the hour that comes twice is due once, as with Debian's cron.
        """
        found = next(CronSim(self.cron, time.astimezone(self.zone)), None)
        return None if found is None else found.astimezone(UTC)
