"""What holds for every test, and fixtures that several folders of tests use."""

import contextlib
import functools
import os
import re
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["support.cluster", "support.control_plane", "support.operator_fixtures", "support.town"]

# How long an example takes is the machine's affair.
settings.register_profile("any machine", settings(), deadline=None)
settings.load_profile("any machine")

_SHARES = re.compile(r"pytest\.mark\.(api_server|cluster|pod)\b")
"""What tests share, so that those of each are run in one process, in order."""

_FIRST = ("cluster", "pod", "api_server", "")
"""What takes longest begins first."""

_MODEST = 10
"""The niceness of all tests but those on the cluster, which mostly wait and have to look at a clock."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer what takes too long for every run."""
    parser.addoption("--every-kind", action="store_true", help="build all cases in every kind of pod")


@functools.cache
def _shared(file: Path) -> str:
    """Tell what tests of a file share with those of others, if anything."""
    return min(_SHARES.findall(file.read_text()), default="")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Runs tests side by side, but those of files that need the cluster in one process, in order.

    So are those that need an API server alone, which is no part of the cluster, and those that run pods.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _shared(self.config.rootpath / nodeid.partition("::")[0]) or nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process for the cluster, one for pods, and one for all the rest, on whatever machine."""
    return max(3, os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Schedule by what a test needs; names do not tell, and xdist's groups get lost with pytest 9."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; in files everything stays in its order."""
    items.sort(key=lambda item: _FIRST.index(_shared(item.path)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let tests on the cluster, and what they start, go before others."""
    # Who may not go back stays modest.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, 0 if item.get_closest_marker("cluster") else _MODEST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what skips in continuous integration, where nothing is missing but what is beside the project."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not item.get_closest_marker("shared"):
        report.outcome = "failed"
        report.longrepr = f"skipped in continuous integration: {report.longreprtext}"
    return report
