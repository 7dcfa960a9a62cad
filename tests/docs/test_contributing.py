import re
from pathlib import Path

import pytest

from support.pages import DOCS

ROOT = DOCS.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
BASES = [
    ROOT,
    *(ROOT / "builder" / name for name in ("yadokari_builder", "yadokari_contract")),
    *(ROOT / "operator" / name for name in ("kubectl_imagebuild", "yadokari_operator", "yadokari_api")),
]
PATH = re.compile(r"`([\w./-]+(?:/|\.py|\.md))`")


def section(title: str) -> str:
    return PAGE.partition(f"### {title}\n")[2].partition("\n#")[0]


def exists(name: str, bases: list[Path]) -> bool:
    return any((base / name).exists() or list(base.glob(f"*/{name}")) for base in bases)


def test_every_file_that_is_named_exists() -> None:
    names = PATH.findall(PAGE)
    assert len(names) > 60
    assert [name for name in names if not exists(name, BASES)] == []


@pytest.mark.parametrize("title", ["One COPY, from text to layer", "One ImageBuild, from event to status"])
def test_a_way_through_the_house_enters_no_file_twice(title: str) -> None:
    base, *files = re.findall(r"`([\w./]+/[\w./]+|[\w]+\.py)`", section(title))
    assert len(files) > 9
    assert sorted(set(files)) == sorted(files)
    assert [name for name in files if not (ROOT / base / name).is_file()] == []
