"""Images with the mark of a build, by somebody who may push to where that build is to push."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.layout import Layout
from support.registry import Registry, running_registry
from support.resources import NOW, ended, image_build, knowing, pod_resource, with_status
from support.site import Site, unguarded
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.status import Status
from yadokari_builder.build.session import Session
from yadokari_contract.arguments import parse_arguments
from yadokari_contract.results.build import BuildResult, format_result
from yadokari_contract.spec import INPUTS_MARK
from yadokari_operator.pods.observed import parse_pod
from yadokari_operator.reconcile.decide import reconcile
from yadokari_operator.reconcile.decision import Create, Decision, Observed
from yadokari_operator.settings import Settings

OURS = "FROM scratch\nCOPY Dockerfile /ours\n"
THEIRS = "FROM scratch\nCOPY Dockerfile /theirs\n"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def site(registry: Registry, tmp_path: Path) -> Site:
    return Site(tmp_path / "site", registry.host)


class Build:
    """An ImageBuild that the operator's own code decides about; its pod is the executor's own code."""

    def __init__(self, where: str, site: Site, rebuild: str = "") -> None:
        spec = {"dockerfile": OURS, "destinations": [{"image": where}]}
        self.build = image_build(spec, rebuild=rebuild)
        self._site = site
        self.manifest = self._pod()

    def _decide(self, *resources: dict[str, Any]) -> Decision:
        pods = (parse_pod(it, knowing(self.build, it)) for it in resources)
        observed = Observed(build=self.build, pods=tuple(filter(None, pods)), sources={})
        return reconcile(observed, Settings(), NOW)

    def _pod(self) -> dict[str, Any]:
        decision = self._decide()
        self.build = with_status(self.build, decision.status)
        made = [it.manifest for it in decision.actions if isinstance(it, Create)]
        return next(manifest for manifest in made if manifest["kind"] == "Pod")

    def run(self) -> BuildResult:
        """Have the pod do what it was made for, and the operator hear of it."""
        asked = parse_arguments(self.manifest["spec"]["containers"][0]["args"])
        here = self._site.spec(OURS, destinations=asked.destinations)
        here = replace(here, inputs_hash=asked.inputs_hash, unless_pushed=asked.unless_pushed)
        result = Session(here, {}, self._site.root, self._site.folder, unguarded).run()
        pod = pod_resource(self.manifest, ended(0, format_result(result)))
        self.build = with_status(self.build, self._decide(pod).status)
        return result

    def ask(self) -> None:
        """Ask for another build, as by the annotation."""
        before: ImageBuild = self.build
        self.build = image_build(dict(before.spec), before.status, rebuild="now")
        self.manifest = self._pod()

    @property
    def mark(self) -> str:
        """What anybody can work out who knows the spec."""
        return parse_arguments(self.manifest["spec"]["containers"][0]["args"]).inputs_hash

    @property
    def status(self) -> Status:
        return self.build.status


def test_a_planted_image_is_taken_by_a_first_build_which_says_so_and_by_no_later_one(
    registry: Registry, site: Site
) -> None:
    where = f"{registry.host}/app:1"
    build = Build(where, site)
    planted = site.session(THEIRS, destinations=(where,), inputs_hash=build.mark).run()
    assert build.run().digest == planted.digest
    assert (build.status.phase, build.status.reason) == ("Succeeded", "AlreadyPushed")
    build.ask()
    assert build.run().digest != planted.digest
    assert (build.status.phase, build.status.reason) == ("Succeeded", "Succeeded")


def test_a_build_that_is_asked_for_when_it_is_made_does_not_look(registry: Registry, site: Site) -> None:
    where = f"{registry.host}/asked:1"
    build = Build(where, site, rebuild="now")
    planted = site.session(THEIRS, destinations=(where,), inputs_hash=build.mark).run()
    assert build.run().digest != planted.digest
    assert build.status.reason == "Succeeded"


def test_the_author_of_a_base_or_a_dockerfile_marks_no_image_as_that_of_another_build(
    registry: Registry, site: Site, tmp_path: Path
) -> None:
    base, where = f"{registry.host}/base:1", f"{registry.host}/marked:1"
    build = Build(where, site)
    site.session(THEIRS, destinations=(base,), inputs_hash=build.mark).run()
    theirs = f"FROM {base}\nLABEL {INPUTS_MARK}={build.mark} kept=1\n"
    site.session(theirs, destinations=(where,), labels={INPUTS_MARK: build.mark}).run()
    assert Layout.pull(where, tmp_path / "theirs").config["config"]["Labels"] == {"kept": "1"}
    assert not build.run().already_pushed
    assert Layout.pull(where, tmp_path / "ours").config["config"]["Labels"] == {INPUTS_MARK: build.mark}
