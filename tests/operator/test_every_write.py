"""The operator is killed at each of its writes, before the server has done it or after that.

Whatever write that is, the next operator comes to the same end: the same statuses, no pod made twice, nothing
left that the other would not have left.
"""

from collections.abc import Callable
from typing import Any

import pytest

from support.apiserver import Request
from support.mortal import World

Story = Callable[[World], None]


def rebuilds_by_schedule(world: World) -> None:
    world.apply("app", rebuild={"schedule": {"cron": "0 * * * *"}})
    world.settle()
    world.wait(hours=1)
    world.settle()


def builds_for_two_platforms_and_tries_again(world: World) -> None:
    world.fails = lambda name: name.endswith(("-arm64-1", "-index-1"))
    world.apply("app", platforms=["linux/amd64", "linux/arm64"])
    world.settle()
    for _ in range(3):
        world.wait(seconds=30)
        world.settle()


def asks_for_two_builds_and_builds_what_has_moved(world: World) -> None:
    asking = {"onBaseImageChange": {"interval": "1h"}}
    world.apply("one", rebuild=asking)
    world.apply("two", rebuild=asking)
    world.settle()
    world.base = f"sha256:{'b' * 64}"
    world.wait(hours=1)
    world.settle()


def replaces_what_runs(world: World) -> None:
    world.apply("app")
    world.settle(runs=False)
    world.apply("app", dockerfile="FROM scratch\n")
    world.settle()


def builds_one_after_the_other(world: World) -> None:
    world.apply("app", concurrencyPolicy="Queue", platforms=["linux/amd64", "linux/arm64"])
    world.settle(runs=False)
    world.apply("app", dockerfile="FROM scratch\n")
    world.settle()


def cleans_up_what_has_ended(world: World) -> None:
    world.fails = lambda name: name.endswith(("-1", "-2"))
    world.apply("app", retries=2, historyLimit=2, podRetention={"succeeded": "1m", "failed": "1h"})
    world.settle()
    for _ in range(3):
        world.wait(seconds=30)
        world.settle()
    world.apply("app", suspend=True)
    world.settle()
    world.wait(hours=2)
    world.settle()


def is_kept_from_building_and_let(world: World) -> None:
    bounds = {"bounds": {"registries": ["other.test"]}}
    world.server.resources["/apis/yadokari.dev/v1alpha1/imagebuildpolicies", "strict"] = {
        "metadata": {"name": "strict", "uid": "p", "resourceVersion": "1"},
        "spec": bounds,
    }
    world.apply("app")
    world.settle()
    bounds["bounds"]["registries"].append("registry.test")
    world.apply("app", timeout="30m")
    world.settle()


STORIES = (
    rebuilds_by_schedule,
    builds_for_two_platforms_and_tries_again,
    asks_for_two_builds_and_builds_what_has_moved,
    replaces_what_runs,
    builds_one_after_the_other,
    cleans_up_what_has_ended,
    is_kept_from_building_and_let,
)


def end_of(world: World) -> dict[str, Any]:
    # What was asked may be asked again: that changes nothing.
    made = sorted(name for name in world.made if "-resolve-" not in name)
    return {"statuses": world.statuses(), "left": world.left(), "made": made}


@pytest.mark.long
@pytest.mark.parametrize("story", STORIES, ids=lambda it: it.__name__)
def test_an_operator_that_is_killed_at_any_write_comes_to_the_same_end(story: Story) -> None:
    undisturbed = World()
    story(undisturbed)
    end = end_of(undisturbed)
    assert len(set(end["made"])) == len(end["made"])
    for number in range(1, undisturbed.writes + 1):
        world = World(fatal=frozenset({number}), late=number % 2 == 0)
        story(world)
        assert world.kills == 1
        assert end_of(world) == end, f"killed at write {number}"


def changes(world: World) -> None:
    world.apply("app", dockerfile="FROM scratch\n")


def stops(world: World) -> None:
    world.apply("app", suspend=True)


@pytest.mark.parametrize("platforms", [[], ["linux/amd64", "linux/arm64"]])
@pytest.mark.parametrize("meanwhile", [changes, stops])
def test_a_change_while_no_operator_lives_leaves_no_pod_of_before(
    meanwhile: Story, platforms: list[str]
) -> None:
    spec = {"platforms": platforms} if platforms else {}
    undisturbed = World()
    undisturbed.apply("app", **spec)
    undisturbed.settle(runs=False)
    for number in range(1, undisturbed.writes + 1):
        world = World(fatal=frozenset({number}), late=True, meanwhile=meanwhile)
        world.apply("app", **spec)
        world.settle(runs=False)
        left, phase = world.server.names("pods"), world.statuses()["app"]["phase"]
        if meanwhile is stops:
            assert (left, phase) == (set(), "Suspended")
        else:
            assert ({name.split("-")[1] for name in left}, phase) == (
                {world.made[-1].split("-")[1]},
                "Building",
            )


def test_a_change_at_the_moment_of_a_status_leaves_no_pod_of_before() -> None:
    world = World()
    world.apply("app")

    def conflicts(request: Request) -> None:
        if request.method == "PUT" and world.server.get("imagebuilds", "app")["metadata"]["generation"] == 1:
            changes(world)
            world.server.get("imagebuilds", "app")["metadata"]["resourceVersion"] = "another"

    world.server.refuse = conflicts
    world.settle()
    assert world.server.names("pods") == {world.made[-1]}
    assert world.statuses()["app"]["phase"] == "Succeeded"
