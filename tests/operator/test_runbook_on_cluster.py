"""What the first chapters of docs/runbook.md show: no operator, no rights, no API server. All of it real."""

from collections.abc import Callable, Iterator

import pytest

from support.cluster import KubectlError
from support.control_plane import ControlPlane
from support.operator_process import Builds, OperatorProcess, wait_until
from support.pages import DOCS
from support.plugin import Plugin
from support.town import Town, says

pytestmark = [pytest.mark.cluster, pytest.mark.api_server, pytest.mark.long]


def words(text: str) -> str:
    """Leave out how wide columns are."""
    return " ".join(text.split())


def chapter(title: str) -> str:
    found = (DOCS / "runbook.md").read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found
    return words(found)


@pytest.fixture(scope="module")
def team(found: Callable[[str], Town]) -> Town:
    town = found("team")
    Builds(town.kubectl, "registry.test/executor:1").apply("late", "FROM scratch\n")
    return town


@pytest.fixture(scope="module")
def plugin(team: Town) -> Plugin:
    return Plugin.of(team.plane.cluster, "team")


@pytest.fixture(scope="module")
def operator(team: Town) -> Iterator[OperatorProcess]:
    """One that starts without rights, and has them when the test of that is over."""
    team.kubectl("delete", "rolebinding", "yadokari")
    operator = team.operator("operator")
    yield operator
    operator.stop()


def test_without_an_operator_nothing_is_said_of_a_build(team: Town, plugin: Plugin) -> None:
    shown = chapter("The operator does not answer")
    (row,) = team.kubectl("get", "imagebuilds", "--no-headers").splitlines()
    assert words(row).startswith("late Pending ")
    assert "late Pending $ kubectl describe" in shown
    assert words(team.kubectl("describe", "imagebuild", "late")).endswith(" Events: <none>")
    assert "$ kubectl describe imagebuild late Events: <none> $" in shown
    described = words(plugin("describe", "late").out)
    assert "Status: Pending Message: the operator has not seen it yet " in described
    assert "Status: Pending Message: the operator has not seen it yet $" in shown


def test_an_operator_without_rights_says_whose_right_to_what_it_lacks(
    team: Town, operator: OperatorProcess
) -> None:
    wait_until(says(operator, "cannot watch ImageBuilds"))
    (said, *_) = (line for line in operator.log.splitlines() if "cannot watch ImageBuilds" in line)
    _, _, message = said.partition(" warning ")
    assert f"logs deployment/yadokari {message} $" in chapter("Rights are missing")
    team.kubectl("apply", "-k", str(team.installed))
    wait_until(team.has_built(1), seconds=60)


def test_an_api_server_that_is_gone_is_told_of_in_the_same_words_by_all(
    control_plane: ControlPlane, team: Town, plugin: Plugin, operator: OperatorProcess
) -> None:
    shown = chapter("The API server fails")

    def elsewhere(text: str) -> str:
        return words(text).replace(f"127.0.0.1:{control_plane.port}", "api.example.com:6443")

    wait_until(team.has_built(1), seconds=60)
    control_plane.stop()
    try:
        for command in (["get", "imagebuilds"], ["describe", "imagebuild", "late"]):
            with pytest.raises(KubectlError) as raised:
                team.kubectl(*command)
            complaint = elsewhere(raised.value.complaint.splitlines()[-1])
            assert f"$ kubectl {' '.join(command)} {complaint} $" in shown
        for verb in ("list", "describe late"):
            said = plugin(*verb.split())
            assert (said.code, said.out) == (1, "")
            assert f"$ kubectl imagebuild {verb} {elsewhere(said.notes)} $" in shown
        wait_until(says(operator, "Connection refused"))
        (told, *_) = (
            line for line in operator.log.splitlines() if "ImageBuilds" in line and "refused" in line
        )
        told = words(told.partition(" warning ")[2]).replace("127.0.0.1", "10.96.0.1")
        assert told.replace(f"port={control_plane.port}", "port=443") in shown
    finally:
        control_plane.start()
    wait_until(lambda: "watching ImageBuilds again" in operator.log.rpartition("refused")[2], seconds=60)
    assert "watching ImageBuilds again" in shown
