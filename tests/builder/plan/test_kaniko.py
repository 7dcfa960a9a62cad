"""What kaniko would make otherwise."""

import pytest

from builder.plan.planning import planned
from yadokari_builder.plan.kaniko import differences
from yadokari_contract.spec import BuildSpec

PLAIN = BuildSpec(ignore_var_run=True)


def told(text: str, spec: BuildSpec = PLAIN) -> list[str]:
    return list(differences(planned(text), spec))


@pytest.mark.parametrize(
    ("line", "difference"),
    [
        ("COPY a /", "files belong to root, where kaniko gives them to me:us: --chown=me:us"),
        ("ADD a /", "files belong to root, where kaniko gives them to me:us: --chown=me:us"),
        (
            "WORKDIR /a/b",
            "folders missing on the way to /a/b are me:us's, where kaniko makes them root's",
        ),
        ("RUN x", "the step has the group us, where kaniko gives it the first group of me"),
        (
            "COPY --chown=1 <<E /\n$x\nE",
            "variables in the here-document are replaced, where kaniko leaves them as they are written",
        ),
    ],
)
def test_what_a_step_does_otherwise_is_told_with_its_line(line: str, difference: str) -> None:
    assert told(f"FROM debian\nARG WHO=me\nUSER $WHO:us\n{line}\n") == [f"line 4: {difference}"]


@pytest.mark.parametrize("user", ["root", "0", "root:root"])
def test_for_root_nothing_differs(user: str) -> None:
    text = f"FROM debian\nUSER {user}\nCOPY a /\nWORKDIR /a/b\nCOPY --chown=1 <<'E' /\n$x\nE\n"
    assert told(text) == []


def test_a_stage_begins_with_the_user_of_what_it_starts_from() -> None:
    assert told("FROM debian AS a\nUSER me\nFROM a\nCOPY a /\n")[0].startswith("line 4: files belong to root")
    assert told("FROM debian\nCOPY --from=debian /a /\n") == []


def test_what_differs_without_any_step_of_its_own_is_told_unless_a_flag_settles_it() -> None:
    text = "FROM scratch\nRUN x\n"
    assert [line.split(":")[0] for line in told(text, BuildSpec())] == ["steps", "image"]
    assert told(text, BuildSpec(ignore_var_run=True, image_format="docker")) == []
