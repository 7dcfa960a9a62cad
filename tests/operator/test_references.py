import threading

from hypothesis import given
from hypothesis import strategies as st

from yadokari_api.keys import Key
from yadokari_operator.handlers.references import References, Referred

keys = st.builds(Key, st.sampled_from(["n1", "n2"]), st.sampled_from("ab"))
KINDS = ("ConfigMap", "Bucket")
resources = st.frozensets(st.tuples(st.sampled_from(KINDS), st.sampled_from(["x", "y"])))


@given(st.lists(st.tuples(keys, resources)))
def test_the_index_knows_the_last_references_of_every_build(
    changes: list[tuple[Key, frozenset[Referred]]],
) -> None:
    index = References()
    last: dict[Key, frozenset[Referred]] = {}
    for key, names in changes:
        index.replace(key, names)
        last[key] = names
    assert index.users() == {key for key, names in last.items() if names}
    for kind in KINDS:
        users = {key: {name for its, name in names if its == kind} for key, names in last.items()}
        assert index.users_of_kind(kind) == {key for key, names in users.items() if names}
        for place in (Key(namespace, name) for namespace in ("n1", "n2") for name in ("x", "y")):
            of_place = {key for key, names in users.items() if key.namespace == place.namespace}
            assert index.users_of(kind, place) == {key for key in of_place if place.name in users[key]}


def test_who_waits_for_a_kind_goes_on_when_somebody_refers_to_it() -> None:
    index = References()
    index.replace(Key("n1", "a"), [("ConfigMap", "x")])
    assert not index.await_users_of_kind("Bucket", 0.01)
    waits = threading.Thread(target=index.await_users_of_kind, args=("Bucket", 60), daemon=True)
    waits.start()
    waits.join(0.05)
    assert waits.is_alive()
    index.replace(Key("n1", "b"), [("Bucket", "x")])
    waits.join(60)
    assert not waits.is_alive()
    assert index.await_users_of_kind("Bucket", 0)
