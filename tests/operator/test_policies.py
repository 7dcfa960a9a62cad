"""What policies of an administrator make of a spec."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.resources import SPEC
from support.specs import POLICIES, WRONG_POLICIES, cached, executed, limits, spec, to
from yadokari_api.fields import amount
from yadokari_api.pod.executor import Executor
from yadokari_api.policy import ImageBuildPolicySpec, Policy
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.policies import Violation, in_order, ruled, selects


def resource(name: str = "teams", **content: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": content}


def policy(name: str = "teams", **content: Any) -> Policy:
    return Policy.parse(resource(name, **content))


def allowed(content: dict[str, Any], *policies: Policy) -> ImageBuildSpec:
    found = ruled(ImageBuildSpec.model_validate(content), policies)
    assert isinstance(found, ImageBuildSpec), found
    return found


def refused(content: dict[str, Any], *policies: Policy) -> str:
    found = ruled(ImageBuildSpec.model_validate(content), policies)
    assert isinstance(found, Violation)
    return found.message


def executor(content: dict[str, Any], *policies: Policy) -> Executor:
    found = allowed(content, *policies).executor
    assert found is not None
    return found


def amounts(content: dict[str, Any], *policies: Policy) -> tuple[dict[str, Any], dict[str, Any]]:
    resources = executor(content, *policies).resources
    assert resources is not None
    return resources.requests, resources.limits


@pytest.mark.parametrize("content", POLICIES)
def test_a_right_policy_is_read(content: dict[str, Any]) -> None:
    assert ImageBuildPolicySpec.model_validate(content)


@pytest.mark.parametrize(("content", "why"), WRONG_POLICIES)
def test_a_wrong_policy_is_refused_with_what_is_right(content: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ImageBuildPolicySpec.model_validate(content)


def test_without_policies_a_spec_is_what_it_is() -> None:
    asked = ImageBuildSpec.model_validate(SPEC)
    assert ruled(asked, ()) is asked


def test_a_default_counts_where_the_build_says_nothing() -> None:
    few = policy(defaults={"resources": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}}})
    assert amounts(SPEC, few) == ({"cpu": "1"}, {"memory": "2Gi"})
    assert amounts(limits(memory="4Gi"), few) == ({"cpu": "1"}, {"memory": "4Gi"})
    places = policy(
        defaults={
            "nodeSelector": {"pool": "builds", "zone": "a"},
            "tolerations": [{"key": "builds", "operator": "Exists"}],
            "runtimeClassName": "gvisor",
            "priorityClassName": "low",
        }
    )
    made = executor(executed(nodeSelector={"zone": "b"}, priorityClassName="high"), places)
    assert made.node_selector == {"pool": "builds", "zone": "b"}
    assert [it.key for it in made.tolerations] == ["builds"]
    assert (made.runtime_class_name, made.priority_class_name) == ("gvisor", "high")


def test_of_two_policies_the_first_by_name_has_its_default() -> None:
    found = in_order(
        [
            resource("b", defaults={"runtimeClassName": "second", "priorityClassName": "low"}),
            resource("a", defaults={"runtimeClassName": "first"}),
        ],
        {},
    )
    assert isinstance(found, tuple)
    made = executor(SPEC, *found)
    assert (made.runtime_class_name, made.priority_class_name) == ("first", "low")


def test_a_default_gives_way_to_what_the_build_asks_for() -> None:
    small = policy(defaults={"resources": {"requests": {"cpu": 2}, "limits": {"memory": "1Gi"}}})
    content = executed(resources={"requests": {"memory": "3Gi"}, "limits": {"cpu": 1}})
    assert amounts(content, small) == ({"cpu": 1, "memory": "3Gi"}, {"cpu": 1, "memory": "3Gi"})


def test_the_lowest_bound_is_the_limit_of_a_build_that_names_none() -> None:
    bounds = [policy("a", bounds={"resources": {"memory": "8Gi", "example.com/gpu": 1}})]
    bounds.append(policy("b", bounds={"resources": {"memory": "4Gi"}}))
    assert amounts(SPEC, *bounds) == ({"memory": "0"}, {"memory": "4Gi"})
    assert amounts(limits(memory="1Gi"), *bounds) == ({}, {"memory": "1Gi"})


def test_what_builds_must_have_they_get() -> None:
    strict = policy(bounds={"nodeSelector": {"pool": "builds"}, "isolation": "Namespaces"})
    made = executor(executed(nodeSelector={"zone": "b"}), strict)
    assert made.node_selector == {"pool": "builds", "zone": "b"}
    assert made.isolation == "Namespaces"


def test_no_build_writes_a_cache_where_a_policy_forbids_it_whatever_it_says() -> None:
    reading = policy(bounds={"cacheReadOnly": True})
    for content in (cached(), cached(registry={"image": "a/cache", "readOnly": False}, mounts="Registry")):
        cache = allowed(content, reading).cache
        assert cache is not None
        assert cache.registry is not None
        assert cache.registry.read_only
    assert allowed(SPEC, reading).cache is None


TEAM = {"registries": ["registry.test/team", "docker.io/me/app"]}


@pytest.mark.parametrize(
    "image",
    ["registry.test/team/app:1", "Registry.test/team:1", "me/app", "index.docker.io/me/app:2", "me/app/part"],
)
def test_an_image_may_go_where_the_bound_says_however_it_is_spelled(image: str) -> None:
    assert allowed(to(image), policy(bounds=TEAM))


@pytest.mark.parametrize("image", ["registry.test/teams/app", "registry.test:5000/team/a", "me/apps", "app"])
def test_an_image_may_go_nowhere_else(image: str) -> None:
    said = refused(to("me/app", image), policy(bounds=TEAM))
    assert said == (
        f"ImageBuildPolicy teams: spec.destinations[1].image is {image}:"
        " it may be in registry.test/team or docker.io/me/app"
    )


@pytest.mark.parametrize(
    ("bounds", "content", "why"),
    [
        (TEAM, cached(registry={"image": "b/c"}) | to("me/app"), "spec.cache.registry.image is b/c"),
        ({"executorImages": []}, executed(image="a"), "executor.image is a: none may be named, leave it out"),
        (
            {"executorImages": ["docker.io/tools"]},
            executed(image="tool/a@sha256:" + "0" * 64),
            "docker.io/tools",
        ),
        ({"serviceAccountNames": ["b"]}, executed(serviceAccountName="a"), "is a: it may be b"),
        ({"resources": {"memory": "2Gi"}}, limits(memory="3G"), "limits.memory is 3G: it may be 2Gi at most"),
        (
            {"resources": {"cpu": "1"}},
            executed(resources={"requests": {"cpu": "1001m"}}),
            "requests.cpu is 1001m: it may be 1 at most",
        ),
        (
            {"nodeSelector": {"pool": "builds"}},
            executed(nodeSelector={"pool": "gpu"}),
            "nodeSelector.pool is gpu: it may be builds, or be left out",
        ),
        ({"isolation": "Namespaces"}, executed(isolation="Auto"), "isolation is Auto: it may be Namespaces"),
        ({"priority": 0}, spec(priority=1), "spec.priority is 1: it may be 0 at most"),
        ({"timeout": "30m"}, spec(timeout="1h"), "spec.timeout is 1h: it may be 30m at most"),
    ],
)
def test_what_breaks_a_bound_is_told_with_policy_field_and_what_is_allowed(
    bounds: dict[str, Any], content: dict[str, Any], why: str
) -> None:
    said = refused(content, policy("a"), policy("b", bounds=bounds))
    assert said.startswith("ImageBuildPolicy b: spec.")
    assert why in said


@pytest.mark.parametrize(
    ("bounds", "content"),
    [
        ({"executorImages": ["docker.io/tools"]}, executed(image="tools/a@sha256:" + "0" * 64)),
        ({"executorImages": []}, SPEC),
        ({"serviceAccountNames": []}, SPEC),
        ({"resources": {"memory": "2Gi"}}, limits(memory="2048Mi", cpu=64)),
        ({"isolation": "Namespaces", "priority": 5}, executed(isolation="Namespaces") | {"priority": 5}),
    ],
)
def test_what_keeps_to_bounds_is_built(bounds: dict[str, Any], content: dict[str, Any]) -> None:
    assert allowed(content, policy(bounds=bounds))


def test_every_policy_must_allow_a_build() -> None:
    both = [policy("a", bounds={"priority": 5}), policy("b", bounds={"priority": 3})]
    assert "ImageBuildPolicy b" in refused(spec(priority=4), *both)
    assert allowed(spec(priority=3), *both)


def test_a_policy_that_cannot_be_read_forbids_everything_and_is_named() -> None:
    found = in_order([resource("a"), resource("broken", bounds={"colour": "red"})], {})
    assert isinstance(found, Violation)
    assert found.message.startswith(
        "ImageBuildPolicy broken cannot be read, so nothing is built: spec.bounds."
    )


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"team": "a"}}, True),
        ({"matchLabels": {"team": "b"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_policy_is_for_the_namespaces_that_it_selects(selector: Any, chosen: bool) -> None:
    content = {} if selector is None else {"namespaceSelector": selector}
    labels = {"team": "a", "kubernetes.io/metadata.name": "team-a"}
    assert selects(ImageBuildPolicySpec.model_validate(content), labels) is chosen
    found = in_order([resource(**content)], labels)
    assert found == ((policy(**content),) if chosen else ())


_amounts = st.dictionaries(st.sampled_from(["cpu", "memory"]), st.sampled_from([1, "2", "500m", "1Gi"]))


def _resources(requests: dict[str, Any], at_most: dict[str, Any]) -> dict[str, Any]:
    fitting = {name: it for name, it in requests.items() if amount(it) <= amount(at_most.get(name, it))}
    return {"requests": fitting, "limits": at_most}


_asked = st.builds(_resources, _amounts, _amounts)


@given(_asked, st.lists(_asked, max_size=3), _amounts)
def test_no_default_makes_a_request_higher_than_its_limit_and_no_limit_is_above_its_bound(
    asked: dict[str, Any], defaults: list[dict[str, Any]], most: dict[str, Any]
) -> None:
    policies = [policy(defaults={"resources": it}) for it in defaults]
    found = ruled(
        ImageBuildSpec.model_validate(executed(resources=asked)),
        [*policies, policy("bounds", bounds={"resources": most})],
    )
    if isinstance(found, Violation):
        return
    resources = found.executor and found.executor.resources
    assert resources
    assert resources.requests.items() >= asked["requests"].items()
    assert resources.limits.items() >= asked["limits"].items()
    for name, value in resources.requests.items():
        assert amount(value) <= amount(resources.limits.get(name, value))
    for name, value in most.items():
        assert amount(resources.limits[name]) <= amount(value)


@pytest.mark.parametrize("content", POLICIES)
def test_a_policy_changes_nothing_that_makes_the_image(content: dict[str, Any]) -> None:
    asked = ImageBuildSpec.model_validate(SPEC)
    before, changed = gather(asked, {}), ruled(asked, [policy(**content)])
    if isinstance(changed, Violation):
        return
    after = gather(changed, {})
    assert isinstance(before, Inputs)
    assert isinstance(after, Inputs)
    assert after.hash == before.hash
