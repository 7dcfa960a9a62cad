"""What holds for every test, and fixtures that several folders of tests use."""

import os
import re
from collections.abc import Generator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["support.cluster", "support.control_plane", "support.operator_fixtures", "support.town"]

# How long an example takes is the machine's affair.
settings.register_profile("any machine", settings(), deadline=None)
settings.load_profile("any machine")

_NEEDS_A_MACHINE = re.compile(r"pytest\.mark\.(pod|cluster)\b")
_NEEDS_AN_API_SERVER = "pytest.mark.api_server"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer what takes too long for every run."""
    parser.addoption("--every-kind", action="store_true", help="build all cases in every kind of pod")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Runs tests side by side, but those of files that need a whole machine in one process, in order.

    So are those that need an API server alone, beside them: they share one that is no part of the cluster.
    """

    def _split_scope(self, nodeid: str) -> str:
        text = (self.config.rootpath / nodeid.partition("::")[0]).read_text()
        if _NEEDS_AN_API_SERVER in text:
            return "API server"
        return "machine" if _NEEDS_A_MACHINE.search(text) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Schedule by what a test needs; names do not tell, and xdist's groups get lost with pytest 9."""
    return Scheduling(config, log)


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
