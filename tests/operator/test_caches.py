from datetime import timedelta
from typing import Any

import pytest

from support.resources import SPEC, image_build
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.arguments import parse_arguments
from yadokari_contract.spec import BuildSpec
from yadokari_operator.pods.given.caches import with_caches
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.pods.render import Attempt, pod
from yadokari_operator.settings import Settings

NAMESPACE = image_build().key.namespace
HERE = {"destinations": [{"image": "registry.test:5000/team/app:1.2"}]}


def rendered(settings: Settings | None = None, **changes: Any) -> dict[str, Any]:
    found = gather(ImageBuildSpec.model_validate(SPEC | HERE | changes), {})
    assert isinstance(found, Inputs)
    attempt = Attempt(run="0123456789", number=1, retries=0)
    spec: dict[str, Any] = pod(image_build(), found, settings or Settings(), attempt)["spec"]
    return spec


def asked(settings: Settings | None = None, **changes: Any) -> BuildSpec:
    return parse_arguments(rendered(settings, **changes)["containers"][0]["args"])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cache": {"disabled": True}},
        {"cache": {"disabled": True, "volumeClaim": {"claimName": "c"}, "registry": {"from": ["a/cache"]}}},
    ],
)
def test_caches_are_left_alone_unless_they_are_asked_for(changes: dict[str, Any]) -> None:
    assert rendered(**changes) == rendered()
    assert asked(**changes).cache is False
    assert asked(**changes).cache_from == ()
    assert asked(**changes).cache_mounts_dir == ""


def test_a_cache_is_beside_the_first_destination_and_keeps_all_steps_and_what_their_mounts_hold() -> None:
    spec = asked(cache={})
    assert spec.cache is True
    assert (spec.cache_run_layers, spec.cache_copy_layers, spec.no_push_cache) == (True, True, False)
    assert spec.cache_repo == "registry.test:5000/team/app/cache"
    assert spec.cache_ttl == timedelta(days=14)
    assert spec.cache_mounts_repo == spec.cache_repo
    assert spec.cache_mounts_dir == ""


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("app", "docker.io/library/app/cache"),
        ("me/app:1", "docker.io/me/app/cache"),
        ("Registry.test/app:1", "registry.test/app/cache"),
        ("localhost:5000/app", "localhost:5000/app/cache"),
        ("[::1]:5000/app:2", "[::1]:5000/app/cache"),
    ],
)
def test_both_caches_are_in_one_repository_however_the_destination_is_written(
    image: str, repository: str
) -> None:
    spec = asked(destinations=[{"image": image}, {"image": "other.test/app"}], cache={})
    assert (spec.cache_repo, spec.cache_mounts_repo) == (repository, repository)


def test_a_cache_may_be_elsewhere_and_be_read_from_several_places() -> None:
    registry = {"image": "cache.test/team", "ttl": "1h30m", "from": ["cache.test/main", "team/cache"]}
    spec = asked(cache={"registry": registry})
    assert (spec.cache_repo, spec.cache_mounts_repo) == ("cache.test/team", "cache.test/team")
    assert spec.cache_from == ("cache.test/main", "docker.io/team/cache")
    assert spec.cache_ttl == timedelta(minutes=90)


def test_a_cache_that_is_read_only_is_not_written_in_any_way() -> None:
    spec = asked(cache={"registry": {"readOnly": True}})
    assert (spec.cache, spec.no_push_cache) == (True, True)
    assert (spec.cache_mounts_repo, spec.cache_mounts_scope) == ("", "")


def test_mounts_need_not_be_kept() -> None:
    spec = asked(cache={"mounts": "None"})
    assert spec.cache is True
    assert (spec.cache_mounts_repo, spec.cache_mounts_dir, spec.cache_mounts_scope) == ("", "", "")


@pytest.mark.parametrize("cache", [{}, {"mounts": "Registry"}, {"volumeClaim": {"claimName": "caches"}}])
def test_mounts_are_those_of_the_namespace_whatever_a_spec_says(cache: dict[str, Any]) -> None:
    assert asked(cache=cache).cache_mounts_scope == NAMESPACE


@pytest.mark.parametrize(
    ("claim", "part"),
    [({"claimName": "caches"}, {}), ({"claimName": "caches", "subPath": "app"}, {"subPath": "app"})],
)
def test_a_volume_keeps_mounts_and_no_layers(claim: dict[str, Any], part: dict[str, Any]) -> None:
    cache = {"volumeClaim": claim}
    spec, executor = asked(cache=cache), rendered(cache=cache)["containers"][0]
    folder = "/yadokari/input/caches"
    assert (spec.cache_mounts_dir, spec.cache_mounts_repo) == (folder, "")
    assert spec.cache_repo == "registry.test:5000/team/app/cache"
    assert {"name": "caches", "mountPath": folder, **part} in executor["volumeMounts"]
    assert {"name": "caches", "persistentVolumeClaim": {"claimName": "caches"}} in rendered(cache=cache)[
        "volumes"
    ]


SOURCES = {"claimName": "sources", "subPath": "app"}
CACHES = {"volumeClaim": {"claimName": "caches"}}


def digests_file(settings: Settings | None = None, **changes: Any) -> str:
    """Say where digests of a context on a volume are, with another volume for caches unless changed."""
    given = {"context": {"persistentVolumeClaim": SOURCES}, "cache": CACHES}
    return asked(settings, **(given | changes)).context_digests_file


def test_digests_of_a_context_on_a_volume_are_on_the_volume_of_caches() -> None:
    folder, _, name = digests_file().rpartition("/")
    assert folder == asked(cache=CACHES).cache_mounts_dir
    assert name.startswith("context-")


@pytest.mark.parametrize(
    "changes",
    [
        {"context": None},
        {"context": {"git": {"url": "https://example.com/a.git"}}},
        {"cache": {}},
        {"cache": CACHES | {"disabled": True}},
        {"cache": CACHES | {"registry": {"readOnly": True}}},
    ],
)
def test_no_digests_are_kept_of_what_is_no_volume_nor_by_who_leaves_nothing(changes: dict[str, Any]) -> None:
    assert digests_file(**changes) == ""


def test_no_digests_are_kept_where_an_administrator_has_builds_leave_nothing() -> None:
    assert digests_file(Settings(cache_read_only_namespaces=(NAMESPACE,))) == ""


def test_contexts_on_other_volumes_in_other_folders_and_namespaces_have_other_digests() -> None:
    claims = [SOURCES, {"claimName": "sources"}, SOURCES | {"claimName": "others"}]
    files = [digests_file(context={"persistentVolumeClaim": claim}) for claim in claims]
    assert len({*files}) == 3
    spec = ImageBuildSpec.model_validate(
        SPEC | HERE | {"context": {"persistentVolumeClaim": SOURCES}, "cache": CACHES}
    )
    elsewhere = with_caches(BuildSpec(), spec, f"not-{NAMESPACE}", Settings()).context_digests_file
    assert elsewhere.startswith(files[0].rpartition("/")[0])
    assert elsewhere not in files
    writable = digests_file(context={"persistentVolumeClaim": SOURCES | {"readOnly": False}})
    assert writable == files[0], "it is the same volume"


@pytest.mark.parametrize(
    ("alone", "said"),
    [
        ({}, {"mounts": "Registry"}),
        (CACHES, CACHES | {"mounts": "Volume"}),
        ({"registry": {"readOnly": True}}, {"registry": {"readOnly": True}, "mounts": "None"}),
        (
            CACHES | {"registry": {"readOnly": True}},
            CACHES | {"registry": {"readOnly": True}, "mounts": "Volume"},
        ),
    ],
)
def test_what_keeps_mounts_may_be_said_as_it_is_without_saying(
    alone: dict[str, Any], said: dict[str, Any]
) -> None:
    assert rendered(cache=said) == rendered(cache=alone)


@pytest.mark.parametrize("pattern", [NAMESPACE, f"{NAMESPACE[:2]}*", "*"])
def test_an_administrator_has_the_builds_of_a_namespace_leave_nothing_in_a_registry(pattern: str) -> None:
    settings = Settings(cache_read_only_namespaces=("other", pattern))
    spec = asked(settings, cache={"mounts": "Registry", "registry": {"readOnly": False}})
    assert (spec.cache, spec.no_push_cache, spec.cache_mounts_repo) == (True, True, "")
    on_volume = asked(settings, cache={"volumeClaim": {"claimName": "caches"}})
    assert on_volume.no_push_cache is True
    assert on_volume.cache_mounts_dir != ""


def test_other_namespaces_are_not_bound_by_that() -> None:
    settings = Settings(cache_read_only_namespaces=("other", f"{NAMESPACE}-*"))
    assert asked(settings, cache={}) == asked(cache={})


def test_credentials_for_the_cache_come_after_those_for_destinations() -> None:
    changes: dict[str, Any] = {
        "destinations": [{"image": "a", "pushSecretRef": {"name": "writer"}}, {"image": "b"}],
        "cache": {"registry": {"secretRef": {"name": "cache"}}},
    }
    env = rendered(**changes)["containers"][0]["env"]
    assert {it["name"]: it["valueFrom"]["secretKeyRef"]["name"] for it in env} == {
        "DOCKER_AUTH_CONFIG_PUSH_1": "writer",
        "DOCKER_AUTH_CONFIG_PUSH_3": "cache",
    }
    disabled = {"registry": {"secretRef": {"name": "cache"}}, "disabled": True}
    assert rendered(cache=disabled)["containers"][0]["env"] == []
