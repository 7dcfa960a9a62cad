"""The project's own cases: every instruction and flag, built by the executor image in each kind of pod.

All of them run at both levels of isolation, a few in other kinds of pods; `--every-kind` runs all in each.
"""

from pathlib import Path

import pytest

from support.cases import Case, build, find_cases, problems
from support.pod import why_no_containers
from support.pod.kinds import KINDS

CASES = find_cases(Path(__file__).parents[1] / "data" / "cases")
LEVELS = ("baseline", "namespaces", "lodging")
A_FEW = ("configuration", "run-mount-cache", "run-shells", "users")

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(why_no_containers() is not None, reason=str(why_no_containers())),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    every = metafunc.config.getoption("--every-kind")
    chosen = [
        (case, kind) for kind in KINDS for case in CASES if every or kind in LEVELS or case.name in A_FEW
    ]
    ids = [f"{kind}-{case.name}" for case, kind in chosen]
    metafunc.parametrize(("case", "kind"), chosen, ids=ids)


def test_a_dockerfile_becomes_what_is_expected_of_it(case: Case, kind: str, tmp_path: Path) -> None:
    found = problems(case, build(case, tmp_path, kind))
    assert not found, "\n".join(found)
