import itertools
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.lives import KEY, built, failed, started
from support.resources import NOW, image_build
from yadokari_api.status import Status
from yadokari_contract.progress import Progress
from yadokari_operator import journal, reports
from yadokari_operator.reconcile.live import live

HOSTILE = "no\n2026-01-01 INFO all is well\r\x1b[2J\x9b1A\u2028\u202e\x7f\x00"


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("yadokari", logging.WARNING, "a.py", 1, "%s", (message,), None)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_is_said_makes_a_second_line_or_moves_the_cursor(log_format: str) -> None:
    line = journal.formatter(log_format).format(record(HOSTILE))
    assert line.isprintable()
    assert "all is well" in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_error_of_the_operator_itself_is_one_line_too(log_format: str) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        broken = logging.LogRecord("yadokari", logging.ERROR, "a.py", 1, "it broke", (), sys.exc_info())
    line = journal.formatter(log_format).format(broken)
    assert line.isprintable()
    assert "ValueError" in line


@given(st.text())
def test_json_says_what_was_said(text: str) -> None:
    line = journal.formatter("json").format(record(text))
    assert json.loads(line)["msg"] == text
    assert "\n" not in line


def test_each_change_is_one_line_with_its_build_its_run_and_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    building = reports.building(image_build(), started(), NOW)
    progressed = reports.building(image_build(), building, NOW, live(Progress("Building", 1, 2, "RUN a")))
    lives = [Status(), started(), building, progressed, built(progressed)]
    for before, now in itertools.pairwise(lives):
        journal.tell(KEY, before, now)
    lines = [json.loads(journal.formatter("json").format(it)) for it in caplog.records]
    assert [it["reason"] for it in lines] == ["Scheduling", "Building", "Succeeded"]
    assert {(it["namespace"], it["name"], it["run"], it["attempt"]) for it in lines} == {
        ("team", "app", 1, 1)
    }
    assert lines[0]["msg"] == "team/app run 1: Scheduling: soon"
    assert lines[0]["logger"] == "yadokari_operator.journal"


def test_the_same_failure_again_is_not_told_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    journal.tell(KEY, failed("StepFailed"), failed("StepFailed"))
    assert caplog.records == []
