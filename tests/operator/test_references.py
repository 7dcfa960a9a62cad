from hypothesis import given
from hypothesis import strategies as st

from yadokari_api.keys import Key
from yadokari_operator.handlers.references import References

keys = st.builds(Key, st.sampled_from(["n1", "n2"]), st.sampled_from("ab"))
config_maps = st.frozensets(st.sampled_from(["x", "y", "z"]))


@given(st.lists(st.tuples(keys, config_maps)))
def test_the_index_knows_the_last_references_of_every_build(
    changes: list[tuple[Key, frozenset[str]]],
) -> None:
    index = References()
    last: dict[Key, frozenset[str]] = {}
    for key, names in changes:
        index.replace(key, names)
        last[key] = names
    assert index.users() == {key for key, names in last.items() if names}
    for namespace in ("n1", "n2"):
        for name in ("x", "y", "z"):
            users = {key for key, names in last.items() if key.namespace == namespace and name in names}
            assert index.users_of(Key(namespace, name)) == users
