"""What `list` says where there is nothing to list."""

from pathlib import Path

import pytest

from support.plugin import Plugin


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], "there are no ImageBuilds in this namespace: -A shows those of all\n"),
        (["-A"], "there are no ImageBuilds\n"),
        (
            ["-l", "team=a"],
            "there are no ImageBuilds with these labels in this namespace: -A shows those of all\n",
        ),
        (["-A", "-l", "team=a"], "there are no ImageBuilds with these labels\n"),
    ],
)
def test_where_there_are_none_it_says_where_it_looked(tmp_path: Path, asked: list[str], told: str) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho '{\"items\": []}'\n")
    kubectl.chmod(0o755)
    assert Plugin(str(tmp_path))("list", *asked).notes == told
