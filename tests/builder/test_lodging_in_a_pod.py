"""A base's own container, and an ordinary pod: the same Dockerfile makes the same image in both."""

import io
import tarfile
import time
from pathlib import Path

import pytest

from support.building import Built, build
from support.indexes import put_index
from support.pod import Bind, run_pod, why_no_containers
from support.pod.mirror import digest, running
from yadokari_builder.build.options import own_platform

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(why_no_containers() is not None, reason=str(why_no_containers())),
]

BUSYBOX = "library/busybox:latest"
ODD = """\
FROM busybox
COPY <<text /etc/hosts
of the base
text
COPY --chmod=700 Dockerfile /dev/device
COPY Dockerfile /proc/file
COPY Dockerfile /run/secrets/secret
COPY Dockerfile /yadokari/work/file
RUN ln -s /etc /kaniko && ln /bin/sh /second && mkdir -m 1777 /empty && chown 5:6 /run && chmod 700 /bin
COPY --link Dockerfile /etc/alternatives/file
ENV SOURCE_DATE_EPOCH=1 TMPDIR=/nowhere HTTPS_PROXY=http://127.0.0.1:9 DOCKER_CONFIG=/etc given=image
WORKDIR /home
USER 1000
"""
STEPS = """\
FROM {base}
ARG given
USER 0
RUN echo "$given" > /given; chown -R 0:0 /bin /etc; chmod 755 /bin; touch -r /etc/passwd /etc/group
RUN printf x >> /second; cat /kaniko/hosts > /seen 2>&1; true
RUN for f in / /kaniko/ /run /empty /etc /bin; do ls -A $f; stat -c '%n %A %u %g' $f; done > /names
RUN mv /usr /usr2; rm -rf /var /kaniko; mkdir /var; echo new > /etc/file
COPY Dockerfile /etc/
COPY Dockerfile /yadokari/x
COPY --chown=7:8 Dockerfile /run/secrets/y
RUN rm -rf /etc/group /home && ln -s /etc /home && rmdir /empty
WORKDIR /run/made
"""


def pushed(folder: Path, name: str, dockerfile: str) -> str:
    """Build a base image in an ordinary pod; returns its name in the mirror."""
    (folder / "context").mkdir(parents=True)
    (folder / "context/Dockerfile").write_text(dockerfile)
    destination = f"--destination={running()}/library/{name}:1"
    context = folder / "context"
    result = run_pod([f"--context=dir://{context}", destination], binds=[Bind(str(context))])
    assert result.exit_code == 0, result.output
    return f"library/{name}:1"


def both(folder: Path, base: str, dockerfile: str, *arguments: str, **options: object) -> list[Built]:
    """Build in the base's own container, and in an ordinary pod; returns what came of it in this order."""
    given = ["--reproducible", "--build-arg=given", *arguments]
    text = dockerfile.format(base=base.removeprefix("library/"))
    return [
        build(folder / name, text, *given, root=root, **options)  # type: ignore[arg-type]
        for name, root in (("lodging", base), ("usual", ""))
    ]


def assert_alike(builds: list[Built]) -> None:
    lodged, usual = builds
    assert lodged.result.exit_code == usual.result.exit_code == 0, lodged.output + usual.output
    assert "is built in its base's own container: nothing is unpacked" in lodged.output
    assert [lodged.image.layer_digests, lodged.image.config] == [
        usual.image.layer_digests,
        usual.image.config,
    ]
    assert lodged.image.digest == usual.image.digest


def test_the_image_is_the_same_whatever_the_base_has_where_the_pod_has_its_own(tmp_path: Path) -> None:
    base = pushed(tmp_path / "base", "odd", ODD)
    assert_alike(both(tmp_path, base, STEPS))


def test_a_base_without_any_folder_gets_none_from_the_container(tmp_path: Path) -> None:
    base = pushed(tmp_path / "base", "bare", "FROM scratch\nCOPY --from=busybox /bin/busybox /sh\n")
    steps = 'FROM {base}\nRUN ["/sh", "-c", "echo a > /a"]\nCOPY Dockerfile /etc/x\nWORKDIR /tmp/a\n'
    assert_alike(both(tmp_path, base, steps))


def test_folders_that_lead_to_mounts_have_the_times_of_the_base(tmp_path: Path) -> None:
    text = "FROM debian:bookworm\nCOPY Dockerfile /etc/apt/\n"
    times = []
    # Later than the base, and earlier than the container.
    epoch = f"--build-arg=SOURCE_DATE_EPOCH={int(time.time()) - 60}"
    for name, root in (("lodging", "library/debian:bookworm"), ("usual", "")):
        built = build(tmp_path / name, text, epoch, root=root)
        assert built.result.exit_code == 0, built.output
        first, *_ = list(built.image.layers())[1:]
        with tarfile.open(fileobj=io.BytesIO(first)) as archive:
            times.append({member.name: member.mtime for member in archive}["etc"])
    assert times[0] == times[1] < time.time() - 60


STAGES = {
    "stages of copies alone": """\
FROM busybox AS copied
COPY Dockerfile /copied/
FROM {base} AS tools
USER 0
COPY --from=copied /copied /copied
RUN mkdir -p /out/deep && echo a > /out/a && ln -s /out /link && ln /out/a /out/deep/b
RUN ln -s /bin/sh /out/sh && chown 3:4 /out/deep && touch -d @5 /out/deep
FROM scratch
COPY --from=tools /link/a /link/sh /all/
COPY --from=tools /out /out
COPY --from=tools --parents /copied/./D* /out/./deep/b /parents/
COPY --from=tools /copied/* /bin/sh /
WORKDIR /made
""",
    "a stage that runs, and takes files": """\
FROM busybox AS first
RUN echo first > /first
FROM {base} AS tools
USER 0
RUN mkdir -p /out/deep && echo a > /out/a && ln -s /out /link && ln /out/a /out/deep/b
RUN ln -s /bin/sh /out/x.sh
FROM busybox
RUN --mount=from=tools,source=/link/deep,target=/in cp /in/b /b; rm -rf /home
COPY --from=tools /out/x* /link/a /all/
COPY --from=tools /bin/../link /dir
COPY --from=first /first /
""",
    "stages that go on in the root": """\
FROM {base} AS tools
FROM tools AS more
USER 0
RUN echo a > /a && rm -rf /bin/arch
FROM scratch AS beside
COPY --from=more /a /b
FROM more
COPY --from=beside /b /c
RUN cat /a /c > /d
""",
}


@pytest.mark.parametrize("stages", STAGES)
def test_of_several_stages_one_is_built_in_its_bases_own_container(stages: str, tmp_path: Path) -> None:
    assert_alike(both(tmp_path, "library/busybox:latest", STAGES[stages]))


def test_a_stage_that_takes_where_the_container_has_its_own_has_the_base_unpacked(tmp_path: Path) -> None:
    known = "FROM busybox AS a\nRUN echo a > /a\nFROM scratch\nCOPY --from=a /etc /etc\n"
    built = build(tmp_path / "known", known, root=BUSYBOX)
    assert built.result.exit_code == 0, built.output
    assert "/etc of stage a is taken, where the container has what is its own" in built.output
    hidden = "FROM busybox AS a\nRUN ln -s /etc /link\nFROM scratch\nCOPY --from=a /link /etc\n"
    built = build(tmp_path / "hidden", hidden, root=BUSYBOX)
    assert built.result.exit_code == 0, built.output
    assert "unpacked as ever: a stage takes /etc, where the container has what is its own" in built.output
    assert "etc/passwd" in built.image.names_in_layers()


def test_a_tag_that_means_another_image_by_now_is_unpacked(tmp_path: Path) -> None:
    built = build(tmp_path, "FROM debian:bookworm\nRUN echo > /a\n", root=BUSYBOX)
    assert built.result.exit_code == 0, built.output
    assert "the base is unpacked as ever: no stage starts from sha256:" in built.output
    assert built.image.names_in_layers(skip=1) == {"a"}


@pytest.mark.parametrize(
    ("variants", "said"), [([""], "nothing is unpacked"), (["", "v2"], "no stage starts from sha256:")]
)
def test_a_base_is_known_by_the_digest_of_an_index_that_leaves_no_choice(
    variants: list[str], said: str, tmp_path: Path
) -> None:
    own = {"os": "linux", "architecture": own_platform().architecture}
    platforms = [own | ({"variant": variant} if variant else {}) for variant in variants]
    index = put_index(running(), BUSYBOX, f"of-{len(variants)}", platforms)
    text = f"FROM busybox:latest@{index}\nRUN echo a > /a\n"
    built = build(tmp_path, text, f"--lodging=docker.io/library/busybox@{index}", root=BUSYBOX)
    assert built.result.exit_code == 0, built.output
    assert built.image.names_in_layers(skip=1) == {"a"}
    assert said in built.output


def test_a_build_that_was_killed_leaves_no_root_that_is_taken_for_the_base(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "first").write_text("FROM busybox\nRUN touch /left; kill -9 $PPID; sleep 60\n")
    (context / "second").write_text("FROM busybox\nRUN test ! -e /left && echo clean\n")
    mirror = f"--registry-mirror={running()} --insecure-registry={running()}"
    builds = [
        f"/yadokari/executor --context=dir://{context} --dockerfile={name} --no-push {mirror}"
        f" --lodging={BUSYBOX}@{digest(BUSYBOX)}"
        for name in ("first", "second")
    ]
    script = "; ".join([*builds, "true"])
    result = run_pod(["-c", script], entrypoint="/bin/sh", root=BUSYBOX, binds=[Bind(str(context))])
    first, _, second = result.output.partition("STEP 2/2 RUN touch")
    assert "nothing is unpacked" in first
    assert "a build has begun in this container before" in second
    assert "\nclean\n" in second


def test_a_step_that_takes_all_memory_is_ended_and_the_build_with_it(tmp_path: Path) -> None:
    take = "head -c 900000000 /dev/zero | tail"
    built = build(tmp_path, f"FROM busybox\nRUN {take}\n", root=BUSYBOX, memory=200_000_000)
    assert "nothing is unpacked" in built.output
    assert built.result.exit_code in (11, 137)
    assert "\nbuilt " not in built.output


def test_a_step_that_an_overlay_lets_down_is_run_again_where_the_base_is_unpacked(tmp_path: Path) -> None:
    rename = """["perl", "-e", "rename('/opt', '/opt2') or die $!"]"""
    dockerfile = f"FROM debian:bookworm\nRUN echo > /a\nRUN {rename}\n"
    built = build(tmp_path, dockerfile, root="library/debian:bookworm")
    assert built.result.exit_code == 0, built.output
    assert "the base is unpacked as ever: a step could not rename a folder of the base" in built.output
    assert built.image.names_in_layers(skip=1) == {"a", "opt2", ".wh.opt"}


def test_a_volume_of_the_base_is_not_built_over(tmp_path: Path) -> None:
    base = pushed(tmp_path / "base", "volume", "FROM busybox\nRUN echo a > /home/a\nVOLUME /home/\n")
    mount = Bind(str(tmp_path / "mount"), "/home", writable=True)
    built = build(tmp_path, f"FROM {base.removeprefix('library/')}\nRUN true\n", root=base, binds=(mount,))
    assert built.result.exit_code == 2
    assert "the image's own volume /home is mounted over its files" in built.output


def test_what_an_image_says_of_its_environment_steers_nothing(tmp_path: Path) -> None:
    base = pushed(tmp_path / "base", "preload", "FROM busybox\nENV LD_PRELOAD=/evil.so\n")
    dockerfile = f"FROM {base.removeprefix('library/')}\nRUN true\n"
    built = build(tmp_path, dockerfile, root=base)
    assert built.result.exit_code == 2
    assert "LD_PRELOAD is set, perhaps by the image" in built.output
    built = build(tmp_path, dockerfile, root=base, env={"LD_PRELOAD": ""})
    assert built.result.exit_code == 0, built.output
