"""Which build's pod asks for what, and who gets to know the answers."""

from datetime import timedelta

from support.resources import NOW, SPEC, image_build
from yadokari_api.keys import Key
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.arguments import parse_resolve
from yadokari_contract.results.answers import (
    Resolution,
    ResolveResult,
    format_resolve_result,
    parse_resolve_result,
    surely_answered,
)
from yadokari_contract.results.build import Failure
from yadokari_operator.handlers.asking import Asking
from yadokari_operator.pods.errands.resolve import resolve_pod, way_of_asking
from yadokari_operator.reconcile.decision import Answer, Want
from yadokari_operator.settings import Settings

HOUR = timedelta(hours=1)
ONE, TWO, THREE = (Key("team", name) for name in ("one", "two", "three"))
DIGEST = "sha256:" + "a" * 64


def want(name: str, minutes: float = 0) -> Want:
    """A name that is due in so many minutes, and every hour."""
    return Want(name, NOW + timedelta(minutes=minutes), HOUR)


def asking(**wants: list[Want]) -> Asking:
    """An index in which builds of the namespace team ask alike."""
    index = Asking()
    for name, wanted in wants.items():
        index.note(Key("team", name), "alike", wanted)
    return index


def test_one_pod_asks_for_all_that_is_due_or_soon_is_and_for_each_name_once() -> None:
    index = asking(one=[want("a"), want("b", 5)], two=[want("a", -9), want("c", 30)], three=[want("d", 31)])
    assert index.batch(ONE, NOW) == ("a", "b", "c")


def test_nobody_else_asks_while_a_pod_is_out_unless_that_takes_too_long() -> None:
    index = asking(one=[want("a")], two=[want("b")])
    assert index.batch(ONE, NOW) == ("a", "b")
    assert index.batch(TWO, NOW) == ()
    assert index.batch(TWO, NOW + timedelta(minutes=5)) == ("a", "b")


def test_builds_that_ask_in_another_way_or_namespace_ask_by_themselves() -> None:
    index = asking(one=[want("a")])
    index.note(TWO, "otherwise", [want("b")])
    index.note(Key("other", "one"), "alike", [want("c")])
    assert [index.batch(key, NOW) for key in (ONE, TWO, Key("other", "one"))] == [("a",), ("b",), ("c",)]


def test_all_who_want_to_know_get_the_answer() -> None:
    index = asking(one=[want("a")], two=[want("a", 20)], three=[want("b", 25)])
    index.batch(ONE, NOW)
    found = {"a": Answer(NOW, DIGEST), "unasked": Answer(NOW, DIGEST)}
    assert index.learnt(ONE, found) == {TWO}
    assert index.answers(ONE) == index.answers(TWO) == {"a": Answer(NOW, DIGEST)}
    assert index.learnt(ONE, found) == set()
    assert index.batch(THREE, NOW) != ()


def test_those_who_have_to_wait_ask_next() -> None:
    names = [f"registry.test/a-rather-long-name-of-a-base-image/{number}" for number in range(40)]
    index = asking(one=[want(name) for name in names], two=[want("last", 1)])
    first = index.batch(ONE, NOW)
    assert 0 < len(first) < 40
    answers = {name: Answer(NOW, DIGEST) for name in first}
    assert index.learnt(ONE, answers) == set()
    index.note(ONE, "alike", [want(name, 60 if name in first else 0) for name in names])
    assert set(index.batch(ONE, NOW)).isdisjoint(first)


def test_one_of_those_who_have_to_wait_is_told_when_a_pod_is_back() -> None:
    index = asking(one=[want("a")])
    assert index.batch(ONE, NOW) == ("a",)
    index.note(TWO, "alike", [want("b", -5)])
    index.note(THREE, "alike", [want("c", -9)])
    assert index.learnt(ONE, {"a": Answer(NOW, DIGEST)}) == {THREE}
    assert index.batch(THREE, NOW) == ("c", "b", "a")


def test_a_pod_that_finds_nothing_out_tells_all_for_whom_it_asked() -> None:
    index = asking(one=[want("a")], two=[want("b")])
    index.batch(ONE, NOW)
    why = Answer(NOW, failure="SecretNotFound: secret not found")
    assert index.failed(ONE, why) == {TWO}
    assert index.answers(TWO) == {"a": why, "b": why}
    assert index.failed(TWO, why) == set()


def test_a_build_that_goes_or_builds_holds_nobody_up_and_is_forgotten() -> None:
    index = asking(one=[want("a")], two=[want("b")])
    index.batch(ONE, NOW)
    index.note(ONE, "", ())
    assert not index.learnt(ONE, {"a": Answer(NOW, DIGEST)})
    assert not index.answers(ONE)
    assert index.batch(TWO, NOW) == ("b",)
    index.note(TWO, "", ())
    assert index.batch(TWO, NOW) == ()


def test_answers_always_fit_whatever_they_are() -> None:
    names = [f"registry.test/team/base-{number}:1.2.{number}" for number in range(100)]
    fitting = surely_answered(names)
    assert 10 < fitting < 100
    broken = Failure("RegistryUnauthorized", "\x00" * 500)
    for item in (Resolution("", failure=broken), Resolution("", f"sha512:{'a' * 128}")):
        items = tuple(Resolution(name, item.resolved, item.failure) for name in names[:fitting])
        answer = parse_resolve_result(format_resolve_result(ResolveResult(items=items)))
        assert (len(answer.items), answer.omitted) == (fitting, 0)


def way(**spec: object) -> str:
    build = image_build(SPEC | spec, name="any", uid="any")
    return way_of_asking(build, ImageBuildSpec.model_validate(build.spec), Settings())


def test_builds_that_ask_with_the_same_secrets_ask_alike_whatever_they_build() -> None:
    plain = way(pullSecretRefs=[{"name": "reader"}])
    assert (
        way(pullSecretRefs=[{"name": "reader"}], dockerfile="FROM a\n", destinations=[{"image": "b"}])
        == plain
    )


def test_builds_that_ask_with_other_secrets_or_from_another_place_do_not() -> None:
    git = {"git": {"url": "https://git.test/a.git", "secretRef": {"name": "git"}}}
    ways = [
        way(),
        way(pullSecretRefs=[{"name": "reader"}]),
        way(pullSecretRefs=[{"name": "other"}]),
        way(destinations=[{"image": "a", "pushSecretRef": {"name": "reader"}}]),
        way(destinations=[{"image": "r.test/a", "insecure": True}]),
        way(context=git),
        way(certificates={"configMapRef": {"name": "ca"}}),
        way(executor={"env": [{"name": "HTTPS_PROXY", "value": "http://proxy"}]}),
        way(executor={"serviceAccountName": "builder"}),
        way(executor={"labels": {"egress": "open"}}),
        way(executor={"annotations": {"proxy": "off"}}),
        way(executor={"nodeSelector": {"zone": "a"}}),
        way(executor={"image": "another:1"}),
    ]
    assert len(set(ways)) == len(ways)


def test_the_pod_asks_the_executor_for_the_names() -> None:
    build = image_build(SPEC | {"pullSecretRefs": [{"name": "reader"}]})
    pod = resolve_pod(build, ImageBuildSpec.model_validate(build.spec), Settings(), ("base:1", "git://h/a#b"))
    verb, *arguments = pod["spec"]["containers"][0]["args"]
    names, spec = parse_resolve(arguments, {})
    assert (verb, names, spec.result_file) == ("resolve", ("base:1", "git://h/a#b"), "/dev/termination-log")
    assert [entry["name"] for entry in pod["spec"]["containers"][0]["env"]] == ["DOCKER_AUTH_CONFIG_PULL_1"]
    assert pod["spec"]["activeDeadlineSeconds"] == 120
