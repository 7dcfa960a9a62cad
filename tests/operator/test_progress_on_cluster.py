"""How far builds have come, on a real cluster; a shell script stands in for the executor."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.cluster import Cluster
from support.operator_process import BUILT, Builds, OperatorProcess, wait_until

pytestmark = pytest.mark.cluster

# Lines as compilers print them, half a megabyte of them.
NOISE = "noise() { yes '[ 42%] Building CXX object src/CMakeFiles/app.dir/main.cpp.o' | head -n 8000; }\n"


def uptime() -> float:
    with open("/proc/uptime") as file:
        return float(file.read().split()[0])


def summary(builds: Builds, name: str) -> str:
    told: str = builds.status(name).get("progress", {}).get("summary", "")
    return told


def test_progress_is_seen_while_a_build_runs_and_goes_with_it(
    builds: Builds, operator: OperatorProcess
) -> None:
    builds.apply(
        "seen",
        f"""
        echo 'STEP 1/3 FROM debian'; sleep 4
        echo 'STEP 2/3 RUN make'; sleep 8
        echo 'PUSHING registry.test/app:1'; sleep 4
        {BUILT}""",
    )
    wait_until(lambda: summary(builds, "seen") == "Pulling 1/3: FROM debian")
    wait_until(lambda: summary(builds, "seen") == "Building 2/3: RUN make")
    columns = builds.kubectl("get", "ib", "seen").splitlines()
    assert columns[0].split() == ["NAME", "READY", "STATUS", "PROGRESS", "REASON", "IMAGE", "DURATION", "AGE"]
    assert "Building 2/3: RUN make" in columns[1]
    operator.stop()
    operator.start()
    assert summary(builds, "seen") == "Building 2/3: RUN make"
    wait_until(lambda: summary(builds, "seen") == "Pushing registry.test/app:1")
    assert "progress" not in builds.wait_for_phase("seen", "Succeeded")


def test_a_build_that_prints_megabytes_a_second_costs_little(
    builds: Builds, operator: OperatorProcess
) -> None:
    builds.apply(
        "loud",
        f"""{NOISE}
        i=1; while [ $i -le 100 ]; do
          read now rest < /proc/uptime; echo "STEP $i/100 $now"; noise; echo "STEP $i/100 (goes on) $now"
          i=$((i+1)); sleep 0.2
        done
        sleep 120
        {BUILT}""",
    )
    wait_until(lambda: summary(builds, "loud") != "")
    began, used = time.monotonic(), operator.processor_time
    late = []
    while not (told := summary(builds, "loud")).startswith("Building 100/"):
        # How long ago the step that is shown began, less than half a second of which is its own.
        late.append(uptime() - float(told.rpartition(" ")[2]))
        assert time.monotonic() - began < 120
    seconds = time.monotonic() - began
    used = operator.processor_time - used
    memory = operator.peak_memory / 2**20
    builds.kubectl("delete", "imagebuild", "loud")
    print(f"{seconds:.1f} s, {used:.2f} s of a core, {memory:.0f} MiB, {max(late):.1f} s late")
    assert memory < 200
    # On a machine that does nothing else 5 % and two seconds.
    assert used / seconds < 0.10
    assert max(late) < 6


def test_several_platforms_show_the_one_furthest_back_and_go_with_their_build(builds: Builds) -> None:
    builds.apply(
        "several",
        """
        case $(hostname) in *arm64*) step=2 ;; *) step=3 ;; esac
        echo "STEP $step/4 RUN make"; sleep 300""",
        platforms=["linux/amd64", "linux/arm64"],
        # The only node there is.
        executor={"image": builds.image, "nodeSelector": {"kubernetes.io/arch": "amd64"}},
    )
    wait_until(lambda: summary(builds, "several") == "Building 2/4 linux/arm64: RUN make")
    assert len(builds.pods("several")) == 2
    builds.kubectl("delete", "imagebuild", "several")
    wait_until(lambda: builds.pods("several") == builds.config_maps("several") == [], 60)


@contextmanager
def watched(cluster: Cluster, builds: Builds) -> Iterator[Iterator[str]]:
    """Have kubectl print name and progress of each ImageBuild as often as it changes."""
    process = subprocess.Popen(
        [
            str(cluster.bin / "kubectl"), "-n", builds.kubectl.namespace, "get", "imagebuilds", "--watch",
            "-o", r'jsonpath={.metadata.name} {.status.progress.summary}{"\n"}',
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={"KUBECONFIG": str(cluster.kubeconfig), "KUBECACHEDIR": "/dev/null"},
    )  # fmt: skip
    assert process.stdout
    try:
        yield process.stdout
    finally:
        process.kill()
        process.communicate()


def delays(lines: Iterator[str], names: set[str], seconds: float) -> list[float]:
    """Tell how late steps were shown, for some seconds at least and until one of each build was."""
    late: dict[str, list[float]] = {}
    began = time.monotonic()
    for line in lines:
        if told := re.fullmatch(r"(\S+) Building \d+/200: ([\d.]+)\n", line):
            late.setdefault(told[1], []).append(uptime() - float(told[2]))
        if time.monotonic() - began > seconds and late.keys() >= names:
            break
        assert time.monotonic() - began < 240, names - late.keys()
    return sorted(delay for of_one in late.values() for delay in of_one)


def logs_followed(builds: Builds) -> int:
    """Count the logs of pods that the API server hands on right now, to whomever."""
    metrics = builds.kubectl("get", "--raw", "/metrics")
    found = re.findall(r'(?m)^apiserver_longrunning_requests\{.*subresource="log".*\} (\d+)$', metrics)
    return sum(map(int, found))


def test_fifty_builds_at_once_are_followed_by_a_connection_each(
    cluster: Cluster, builds: Builds, operator: OperatorProcess
) -> None:
    names = {f"many-{number}" for number in range(50)}
    script = """
        trap "exit 143" TERM
        i=1; while [ $i -le 200 ]; do
          read now rest < /proc/uptime; echo "STEP $i/200 $now"; i=$((i+1)); sleep 2
        done"""
    with watched(cluster, builds) as lines:
        builds.apply_all(dict.fromkeys(names, script))
        delays(lines, names, 0)
        began, used = time.monotonic(), operator.processor_time
        late = delays(lines, names, 6)
        seconds, used = time.monotonic() - began, operator.processor_time - used
    wait_until(lambda: logs_followed(builds) == len(names))
    builds.kubectl("delete", "imagebuilds", *names, "--wait=false")
    memory = operator.peak_memory / 2**20
    print(
        f"{len(late)} steps in {seconds:.1f} s, {late[len(late) // 2]:.1f} s late, {late[-1]:.1f} s at most,"
        f" {used:.2f} s of a core, {memory:.0f} MiB"
    )
    assert memory < 200
    # On a machine that does nothing else it is all of them.
    assert late[len(late) // 2] < 2
