"""The project's own cases: every instruction and flag, built by the executor image."""

from pathlib import Path

import pytest

from support.cases import Case, build, find_cases, problems
from support.pod import why_no_containers

CASES = find_cases(Path(__file__).parents[1] / "data" / "cases")

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(why_no_containers() is not None, reason=str(why_no_containers())),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_dockerfile_becomes_what_is_expected_of_it(case: Case, tmp_path: Path) -> None:
    found = problems(case, build(case, tmp_path))
    assert not found, "\n".join(found)
