"""How far builds have come, on a real cluster; a shell script stands in for the executor."""

import time

import pytest

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
    assert columns[0].split() == ["NAME", "READY", "STATUS", "PROGRESS", "IMAGE", "DURATION", "AGE"]
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
        sleep 5
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
