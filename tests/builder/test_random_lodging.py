"""Random Dockerfiles make the same image in their base's own container as in an ordinary pod."""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.building import Built, build
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.long,
    pytest.mark.skipif(why_no_containers() is not None, reason=str(why_no_containers())),
]

BASE = "library/busybox:latest"
CACHE = ("--cache", "--cache-copy-layers")
TRIALS = int(os.environ.get("LODGING_TRIALS", "3"))
"""Dockerfiles that are built; a few hundred take ten minutes."""

ATTEMPTS = 5

CHANGES = (
    "echo $0 >> /out/a; chmod 600 /out/a",
    "mkdir -p /out/deep/er; echo b > /out/deep/b; ln -f /out/deep/b /out/b",
    "rm -rf /link; ln -s /out /link; ln -sf /etc/passwd /out/passwd",
    "rm -rf /home /bin/arch; mkdir -m 700 /home",
    "echo more >> /etc/group; chown 3:4 /etc/shadow; touch /bin/cat",
    "mv /bin/ar /bin/ar2 || true; rm -rf /out/deep/c",
    "echo new >> /bin/busybox; touch -d @1000 /etc",
    "rm -rf /var; mkdir -p /var/run /run/new /etc/new",
    "ls -lA / /etc /run /out > /names 2>&1 || true",
    "true",
)
TAKEN = ("/out", "/out/", "/link/deep", "/out/*", "/out/deep/*", "/out/passwd /out/a", "/link/a")
RARELY_TAKEN = ("/etc/group", "/etc/pass*", "/etc", "/", "/run")
BEGINNING = "COPY a /out/a\nCOPY a /out/deep/c\nCOPY a /out/passwd\nCOPY a /link/deep/d"
"""What every stage has, for others to take; where steps run, some of it becomes links."""

runs = st.sampled_from(CHANGES).map(lambda change: f"RUN mkdir -p /out; {change}")
copies = st.sampled_from(
    ["COPY a /out/", "COPY --chown=5:6 a /etc/new/", "COPY --link a /b/", "WORKDIR /made/x"]
)
steps = st.lists(runs | copies, max_size=3)


@st.composite
def dockerfiles(draw: st.DrawFn) -> str:
    """Draw a Dockerfile of which at least one stage starts from the base and runs something."""
    lines: list[str] = []
    number = draw(st.integers(1, 4))
    main = draw(st.integers(0, number - 1))
    for index in range(number):
        earlier = [f"s{each}" for each in range(index)]
        base = draw(st.sampled_from(["busybox", "busybox", "scratch", "scratch", *earlier]))
        lines.append(f"FROM {'busybox' if index == main else base} AS s{index}")
        lines.append(BEGINNING)
        lines += [line for line in draw(steps) if base != "scratch" or index == main or line[:3] != "RUN"]
        if index == main:
            lines.append("RUN mkdir -p /out; echo main > /out/main")
        if earlier:
            lines += draw(st.lists(taking(earlier, runs=base != "scratch"), max_size=2))
    lines += ["FROM scratch", *(f"COPY --from=s{index} /out /link/* /s{index}/" for index in range(number))]
    lines.append(f"COPY --from=s{main} /etc/passwd /bin/sh /main/")
    return "\n".join(lines) + "\n"


def taking(stages: list[str], *, runs: bool) -> st.SearchStrategy[str]:
    """Draw a step that takes files from one of some stages, which need not be there."""
    stage = st.sampled_from(stages)
    path = st.sampled_from([*TAKEN * 4, *RARELY_TAKEN])
    copy = st.builds(lambda name, path: f"COPY --from={name} {path} /taken/", stage, path)
    mount = st.builds(
        lambda name, path: f"RUN --mount=from={name},source={path},target=/in cp -r /in /seen",
        stage,
        st.sampled_from(["/out", "/link", "/link/deep", "/out/a"]),
    )
    return copy | mount if runs else copy


COMMON = """\
FROM busybox AS build
COPY a /out/
RUN mkdir -p /out/deep; echo b > /out/b; ln -s /out /link
FROM busybox AS tools
RUN --mount=from=build,source=/link,target=/in cp -r /in /seen
COPY --from=build /link/* /bin/sh /taken/
FROM scratch
COPY --from=tools /seen /taken /
COPY --from=build /out /out
"""


NAMED = """\
FROM busybox AS base
FROM base AS deps
COPY a /out/
RUN mkdir -p /modules; echo b > /modules/b
FROM base AS build
ENV A=b
COPY --from=deps /modules /modules
RUN mkdir -p /out; ls -lA /etc /modules > /out/names; rm /bin/arch
FROM base
WORKDIR /x
COPY --from=build /out /modules ./
"""


def test_an_image_is_the_same_in_its_bases_own_container() -> None:
    lodged: list[bool] = []

    @settings(max_examples=TRIALS, deadline=None, suppress_health_check=list(HealthCheck))
    @example(text=COMMON, is_cached=True)
    @example(text=NAMED, is_cached=False)
    @given(text=dockerfiles(), is_cached=st.booleans())
    def check(*, text: str, is_cached: bool) -> None:
        with TemporaryDirectory(prefix="lodging-") as name:
            there, usual = both(Path(name), text, is_cached=is_cached)
            assert there.result.exit_code == usual.result.exit_code, there.output + usual.output
            lodged.append("built in its base's own container" in there.output)
            if usual.result.exit_code == 0:
                assert there.image.layer_digests == usual.image.layer_digests, there.output
                assert there.image.digest == usual.image.digest

    check()
    assert sum(lodged) >= len(lodged) / 4


def both(folder: Path, text: str, *, is_cached: bool) -> tuple[Built, Built]:
    """Build there and as usual within the same minute: steps list when files were changed."""
    for number in range(ATTEMPTS):
        begun, place = minute(), folder / str(number)
        # Through a cache the root is filled when the first step needs it.
        cache = (*CACHE, f"--cache-repo=oci:{place}/there/out/cache") if is_cached else ()
        there, usual = built(place, "there", BASE, text, *cache), built(place, "usual", "", text)
        if minute() == begun:
            break
    return there, usual


def minute() -> int:
    return int(time.time() // 60)


def built(folder: Path, name: str, root: str, text: str, *arguments: str) -> Built:
    context = folder / name / "context"
    context.mkdir(parents=True)
    (context / "a").write_text("a")
    return build(folder / name, text, "--reproducible", *arguments, root=root)
