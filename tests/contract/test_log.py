import json
import logging
import sys
from typing import Any

import pytest

from yadokari_contract.log import JsonFormatter


def written(message: str, *more: str, level: int = logging.INFO, **attributes: Any) -> list[dict[str, Any]]:
    """The objects that come of a record."""
    record = logging.LogRecord("there", level, __file__, 1, message, (), None)
    vars(record).update(attributes)
    return [json.loads(line) for line in JsonFormatter(*more).format(record).split("\n")]


def test_a_record_is_one_object_with_what_is_wanted_of_it() -> None:
    [record] = written("two\nlines", "name", "step", created=1.5)
    time = "1970-01-01T00:00:01.500+00:00"
    assert record == {"time": time, "level": "info", "msg": "two\nlines", "name": "there"}


def test_each_line_of_output_is_an_object() -> None:
    records = written("two\nlines", "kind", "step", kind="output", step=3)
    assert [(record["msg"], record["step"]) for record in records] == [("two", 3), ("lines", 3)]


@pytest.mark.parametrize(
    ("level", "name"), [(5, "trace"), (logging.WARNING, "warning"), (logging.CRITICAL, "fatal")]
)
def test_levels_have_names(level: int, name: str) -> None:
    assert written("x", level=level)[0]["level"] == name


def test_where_an_error_comes_from_is_in_the_same_object() -> None:
    try:
        raise ValueError("a mistake")
    except ValueError:
        [record] = written("it failed", exc_info=sys.exc_info())
    assert record["traceback"].endswith("ValueError: a mistake")
