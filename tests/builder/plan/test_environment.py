from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.plan.environment import Environment, GrowingEnvironment

NAMES = st.sampled_from(["A", "B", "C"])
VARIABLES = st.dictionaries(NAMES, st.text(max_size=2))


@given(VARIABLES, VARIABLES, st.lists(st.tuples(NAMES, st.text(max_size=2))))
def test_a_moment_keeps_the_variables_of_that_moment(
    defaults: dict[str, str], first: dict[str, str], settings: list[tuple[str, str]]
) -> None:
    environment = GrowingEnvironment(first)
    moments: list[tuple[Environment, dict[str, str]]] = []
    for name, value in settings:
        environment.set(name, value)
        moments.append((environment.moment(defaults), {**defaults, **environment.now}))
    assert [moment.variables() for moment, _ in moments] == [then for _, then in moments]
