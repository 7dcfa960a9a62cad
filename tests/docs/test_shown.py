"""What the pages show as YAML can be applied, and their links lead somewhere."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.pages import DOCS, blocks
from yadokari_api.policy import ImageBuildPolicySpec
from yadokari_api.spec import ImageBuildSpec

ROOT = DOCS.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md"), *ROOT.glob("examples/*/README.md")]
NEEDED = {"dockerfile": "FROM scratch", "destinations": [{"image": "app"}]}
"""What is left out where a page shows a part of a spec."""


def shown(*, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where the pages show a mapping in YAML of a kind, and that."""
    for page in PAGES:
        for block in blocks(page):
            content = mapping(block)
            if content and kind_of(page, content) == kind:
                yield f"{page.name}: {block.splitlines()[-1].strip()}", content


def mapping(block: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(block)
    except yaml.YAMLError:
        return {}
    return content if isinstance(content, dict) else {}


def kind_of(page: Path, content: dict[str, Any]) -> str:
    """Name the kind; parts without one are of ImageBuilds, but for pods of the executor's own page."""
    if content.keys() & {"resources", "components", "configMapGenerator"}:
        return "Kustomization"
    is_part = content.keys() <= {"metadata", "spec", "status", *ImageBuildSpec.model_fields}
    return str(content.get("kind", "ImageBuild" if is_part and page.name != "executor.md" else ""))


def parametrised(kind: str) -> pytest.MarkDecorator:
    found = list(shown(kind=kind))
    assert found
    return pytest.mark.parametrize("content", [it for _, it in found], ids=[where for where, _ in found])


@parametrised("ImageBuild")
def test_an_image_build_that_is_shown_can_be_applied(content: dict[str, Any]) -> None:
    part = {name: value for name, value in content.items() if name in ImageBuildSpec.model_fields}
    spec = content.get("spec", part)
    needed = {"destinations"} if "dockerfileFrom" in spec else NEEDED.keys()
    assert ImageBuildSpec.model_validate({name: NEEDED[name] for name in needed} | spec)


@parametrised("ImageBuildPolicy")
def test_a_policy_that_is_shown_can_be_applied(content: dict[str, Any]) -> None:
    assert ImageBuildPolicySpec.model_validate(content["spec"])


@parametrised("Kustomization")
def test_a_kustomization_that_is_shown_takes_folders_that_there_are(content: dict[str, Any]) -> None:
    folders = re.findall(r"HOST/yadokari//([\w/-]+)", yaml.safe_dump(content))
    assert [folder for folder in folders if not (ROOT / folder / "kustomization.yaml").is_file()] == []


@parametrised("Kustomization")
def test_what_a_component_brings_comes_into_the_operators_namespace(content: dict[str, Any]) -> None:
    if {"resources", "components"} <= content.keys():
        assert content["namespace"] == "yadokari-system"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_program_that_is_shown_without_an_interpreter_can_be_started_without_one(page: Path) -> None:
    shown = re.findall(r"`((?:bench|tests)/[\w/]+)(?: [^`]*)?`", page.read_text())
    programs = [program for program in shown if (ROOT / program).is_file()]
    assert [program for program in programs if not os.access(ROOT / program, os.X_OK)] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_there_are(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text())
    assert [link for link in links if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
