"""What holds for every test, and fixtures that several folders of tests use."""

import os
from collections.abc import Generator

import pytest

pytest_plugins = ["support.cluster"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that need a whole machine in one process, one after the other, beside all the others."""
    for item in items:
        if item.get_closest_marker("pod") or item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.xdist_group("machine"))


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
