"""Builds in the container of their base image, on the real cluster."""

import json
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.cluster import Cluster
from support.imagebuilds import Builds
from support.lodgings import Lodgings
from support.operator_process import wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture
def lodgings(cluster: Cluster, builds: Builds) -> Lodgings:
    made = Lodgings(cluster, builds)
    made.push_base()
    return made


def test_an_image_is_the_same_whether_its_base_was_unpacked_lodged_in_or_in_no_node(
    lodgings: Lodgings,
) -> None:
    first = lodgings.built("app")
    assert "lodging" not in lodgings.image_of(first)
    (entry,) = first["lodging"]
    assert entry["image"].startswith(lodgings.base.removesuffix(":1") + "@sha256:")

    second = lodgings.again("app", "lodge")
    assert lodgings.image_of(second) == entry["image"]
    assert lodgings.told(second) == [{"image": entry["image"], "stage": "build"}]
    assert first["lodging"][0]["unpacked"] == second["lodging"][0]["unpacked"] > 0
    assert second["lodging"][0]["pulled"] >= 0
    assert second["output"]["digest"] == first["output"]["digest"]
    assert (second["run"]["number"], second["run"]["attempt"]) == (2, 1)

    lodgings.apply("app", lodging="Never")
    third = lodgings.again("app", "do not")
    assert lodgings.image_of(third) != entry["image"]
    assert third["output"]["digest"] == first["output"]["digest"]

    lodgings.apply("app")
    gone = f"{entry['image'].partition('@')[0]}@sha256:{'0' * 64}"
    patch = json.dumps({"status": {"lodging": [{"image": gone}]}})
    lodgings.kubectl("patch", "imagebuild/app", "--subresource=status", "--type=merge", "-p", patch)
    fourth = lodgings.again("app", "gone")
    assert (fourth["run"]["attempt"], fourth["run"]["retries"]) == (2, 0)
    assert fourth["output"]["digest"] == first["output"]["digest"]
    # That one is of no use, as is known by now; the one that the executor has found since is another.
    assert lodgings.told(fourth) == [{"image": entry["image"]}]


def test_a_base_that_moves_is_built_on_as_it_is_now_and_one_with_a_volume_in_an_ordinary_pod(
    lodgings: Lodgings,
) -> None:
    first = lodgings.built("app")
    old = first["lodging"][0]["image"]
    # The base moves when the pod is made and has not begun.
    here = f"kubernetes.io/hostname={first['run']['node']}"
    label = f"waits-for={lodgings.builds.namespace}"
    lodgings.apply("app", nodeSelector=dict([label.split("=")]))
    lodgings.ask("app", "moved")
    wait_until(lambda: lodgings.builds.status("app").get("run", {}).get("number") == 2, seconds=60)
    wait_until(lambda: "pod" in lodgings.builds.status("app")["run"], seconds=60)
    lodgings.push_base("RUN echo new > /new\n")
    lodgings.kubectl("label", "node", "--selector", here, label)
    try:
        second = lodgings.done("app")
    finally:
        lodgings.kubectl("label", "node", "--selector", here, "waits-for-")
    assert lodgings.image_of(second) == old
    (entry,) = second["lodging"]
    assert entry["reason"] == "OtherImage"
    assert entry["image"] != old
    assert second["output"]["digest"] != first["output"]["digest"]
    lodgings.apply("app")
    third = lodgings.again("app", "once more")
    assert lodgings.image_of(third) == entry["image"]
    assert third["output"]["digest"] == second["output"]["digest"]
    assert lodgings.builds.run_pod("check", f"{lodgings.image}:app", "cat /new") == "new\n"

    lodgings.push_base("VOLUME /data\n")
    lodgings.apply("app", "FROM {base}\nRUN mkdir -p /data && echo x > /data/x && echo y > /y\n")
    fourth = lodgings.builds.wait_until_done("app", not_digest=third["output"]["digest"])
    fifth = lodgings.again("app", "lodge in a volume")
    assert (fifth["run"]["attempt"], fifth["run"]["retries"]) == (2, 0)
    assert fifth["output"]["digest"] == fourth["output"]["digest"]
    (entry,) = fifth["lodging"]
    assert entry["unusable"]
    assert "volume" in entry["message"].lower()
    sixth = lodgings.again("app", "in no volume")
    assert sixth["run"]["attempt"] == 1
    assert lodgings.image_of(sixth) != entry["image"]


def test_the_first_run_is_in_a_base_that_is_pinned_or_asked_for(lodgings: Lodgings) -> None:
    manifest, index = lodgings.push_base(), lodgings.put_index()
    repository = lodgings.base.removesuffix(":1")
    builds: Mapping[str, tuple[str, str, str]] = {
        "usual": (lodgings.base, "Never", ""),
        "pinned": (f"{repository}@{manifest}", "Auto", manifest),
        "index": (f"{lodgings.base}@{index}", "Auto", index),
        "asked": (f"{repository}:index", "Always", index),
    }
    for name, (base, lodging, _) in builds.items():
        lodgings.apply(name, f"FROM {base}\nRUN date +%Y > /year\n", lodging=lodging)
    done = {name: lodgings.done(name) for name in builds}
    assert len({it["output"]["digest"] for it in done.values()}) == 1
    for name, (_, _, digest) in builds.items():
        assert (done[name]["run"]["number"], done[name]["run"]["attempt"]) == (1, 1)
        if digest:
            assert lodgings.image_of(done[name]) == f"{repository}@{digest}"
            assert lodgings.told(done[name]) == [{"image": f"{repository}@{digest}", "stage": "0"}]
    lodgings.apply("index", f"FROM {lodgings.base}@{index}\nRUN date > /year\n")
    again = lodgings.builds.wait_until_done("index", not_digest=done["index"]["output"]["digest"])
    assert lodgings.image_of(again) == f"{repository}@{index}"


FAILS: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "memory": ("tail /dev/zero", {"memory": "256Mi"}, "OOMKilled"),
    "disk": (
        "dd if=/dev/zero of=/x bs=1M count=200; sleep 600",
        {"ephemeral-storage": "64Mi"},
        "DiskLimitExceeded",
    ),
    "killed": ("sleep 600", {}, "ExecutorFailed"),
}
"""What a step does, within which limits, and what that is called; one is killed from outside."""


def test_lodgers_that_are_killed_evicted_or_cancelled_are_as_others(lodgings: Lodgings) -> None:
    base = f"{lodgings.base.removesuffix(':1')}@{lodgings.push_base()}"
    slow = f"FROM {base}\nRUN sleep 10; date +%Y > /year\n"
    goes_on = ("deleted", "evicted", "suspended")
    for name in (*goes_on, "usual"):
        lodgings.apply(name, slow, lodging="Never" if name == "usual" else "Auto")
    for name, (step, limits, _) in FAILS.items():
        lodgings.apply(name, f"FROM {base}\nRUN {step}\n", resources={"limits": limits})

    pods = {}
    for name in (*goes_on, "killed"):
        lodgings.builds.wait_until_running(name)
        status = lodgings.builds.status(name)
        assert lodgings.image_of(status) == base
        pods[name] = status["run"]["pod"]
        end(name, pods[name], lodgings)
    usual = lodgings.done("usual")["output"]["digest"]
    wait_until(lambda: lodgings.builds.status("suspended").get("phase") == "Suspended", seconds=60)
    lodgings.kubectl("patch", "imagebuild/suspended", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    for name in goes_on:
        done = lodgings.done(name)
        assert done["run"]["pod"] != pods[name]
        assert done["run"]["retries"] == 0
        assert lodgings.image_of(done) == base
        assert done["output"]["digest"] == usual
    for name, (_, _, reason) in FAILS.items():
        failed = lodgings.builds.wait_until_done(name)
        assert (failed["failure"]["reason"], failed["run"]["attempt"]) == (reason, 1)
        assert lodgings.image_of(failed) == base


def end(how: str, pod: str, lodgings: Lodgings) -> None:
    """Have a pod end before it is done."""
    if how == "deleted":
        lodgings.kubectl("delete", "pod", pod, "--now")
    elif how == "evicted":
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        path = f"/api/v1/namespaces/{lodgings.builds.namespace}/pods/{pod}/eviction"
        lodgings.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(eviction))
    elif how == "killed":
        uid = lodgings.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
        os.kill(executor_of(uid), signal.SIGKILL)
    else:
        lodgings.kubectl("patch", "imagebuild/suspended", "--type=merge", "-p", '{"spec": {"suspend": true}}')


def executor_of(pod: str) -> int:
    """Find the executor's process in a pod, by its UID, on this machine: it is the first one there."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            groups = (process / "cgroup").read_text().replace("_", "-")
            is_first = re.search(r"^NSpid:.*\t1$", (process / "status").read_text(), re.MULTILINE)
            if pod in groups and is_first and b"/yadokari/" in (process / "cmdline").read_bytes():
                return int(process.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    pytest.skip("the node is not this machine")
