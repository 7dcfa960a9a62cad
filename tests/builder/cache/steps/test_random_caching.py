"""Random Dockerfiles and contexts, edited again and again: through a living cache all is as without."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.applied import apply
from support.layout import Layout
from support.site import Site
from support.trees import Described, describe
from yadokari_builder.errors import BuilderError
from yadokari_builder.oci.digest import Digest
from yadokari_builder.rootfs.boundary import Boundary

pytestmark = pytest.mark.long

NAMES = ("a", "b", "c")
PLACES = [f"/{folder}/{name}" for folder in ("d", "e") for name in NAMES]
RUNS = (
    "RUN echo {word} >> {place}",
    "RUN rm -rf {place}",
    "RUN rm -rf /d && mkdir /d && touch /d/{word}",
    "RUN mkdir -p {place}/{word}",
    "RUN chmod 70{digit} {place} || true",
    "RUN ln -sfn {word} {place} || true",
    "RUN ln -f {place} {other} || true",
    "RUN x=$(cat /d/* /e/* 2>/dev/null | md5sum) && echo $x > {place} || true",
    "RUN ls -RA /d /e > {place} || true",
    "RUN echo {word}:x:{digit}:{digit}::/:/bin/sh >> /etc/passwd",
    "RUN true",
    "ARG {word}={digit}\nRUN echo ${word} > {place} || true",
    "RUN --mount=target=/m,source=src cat /m/* > {place} 2>/dev/null || true",
    "RUN --mount=from=0,target=/m cat /m/d/* > {place} 2>/dev/null || true",
    "RUN --mount=type=tmpfs,target=/m echo {word} > /m/a",
    "RUN <<end\nmkdir -p {place}\necho {digit} > {place}/{word} || true\nend",
)
COPIES = (
    "COPY src {place}/",
    "COPY src/a {place}",
    "COPY src/* {place}/",
    "COPY --chown=1:2 --chmod=6{digit}0 src {place}/",
    "COPY --chown={word} src {place}/",
    "COPY --link src/b {place}",
    "COPY --parents src/sub {place}/",
    "COPY --exclude=b src {place}/",
    "ADD src/a {place}/",
    "COPY --from=0 /d {place}/",
    "COPY --from=0 /d* /e* {place}/",
    "COPY --from=busybox /etc {place}/",
    "COPY <<{word} {place}/\n{digit}\n{word}",
)
OTHERS = (
    "WORKDIR {place}",
    "ENV {word}={digit}",
    "LABEL {word}={digit}",
    "USER {digit}\nWORKDIR {place}\nUSER 0",
)

steps = st.builds(
    lambda text, **values: text.format(**values),
    st.sampled_from([*RUNS, *COPIES, *OTHERS]),
    place=st.sampled_from(PLACES),
    other=st.sampled_from(PLACES),
    word=st.sampled_from(NAMES),
    digit=st.sampled_from("014567"),
)


@dataclass(frozen=True)
class Work:
    """A Dockerfile's stages, of which later ones may start from or take from the first, and a context."""

    bases: tuple[str, ...]
    stages: tuple[tuple[str, ...], ...]
    files: Mapping[str, str]

    @property
    def dockerfile(self) -> str:
        parts = [
            "\n".join([f"FROM {base} AS s{number}", "RUN mkdir -p /d /e", *stage])
            for number, (base, stage) in enumerate(zip(self.bases, self.stages, strict=True))
        ]
        return "# syntax=docker/dockerfile:1\n" + "\n".join(parts) + "\n"

    def write(self, context: Path) -> None:
        shutil.rmtree(context / "src", ignore_errors=True)
        for name, content in {"a": "", "b": "", "sub/c": "", **self.files}.items():
            (context / "src" / name).parent.mkdir(parents=True, exist_ok=True)
            (context / "src" / name).write_text(content)
            (context / "src" / name).chmod(0o755 if content == "2" else 0o644)


PLAIN = Work(("busybox",), (("RUN echo a > /d/a", "RUN rm -rf /d && mkdir /d && touch /d/b"),), {})

files = st.dictionaries(st.sampled_from(["a", "b", "sub/c", "sub/d", "new"]), st.sampled_from("0123"))
works = st.builds(
    lambda stages, bases, files: Work(("busybox", *bases[: len(stages) - 1]), tuple(stages), files),
    st.lists(st.lists(steps, max_size=4).map(tuple), min_size=1, max_size=3),
    st.lists(st.sampled_from(["busybox", "s0"]), min_size=2, max_size=2),
    files,
)


@st.composite
def edited(draw: Any, work: Work) -> Work:
    """Change one step, or one file, or the order, or nothing."""
    stages = [list(stage) for stage in work.stages]
    stage = draw(st.sampled_from(stages))
    match draw(st.sampled_from(["insert", "delete", "replace", "swap", "file", "nothing"])):
        case "insert":
            stage.insert(draw(st.integers(0, len(stage))), draw(steps))
        case "delete" if stage:
            stage.pop(draw(st.integers(0, len(stage) - 1)))
        case "replace" if stage:
            stage[draw(st.integers(0, len(stage) - 1))] = draw(steps)
        case "swap" if len(stage) > 1:
            stage.reverse()
        case "file":
            return replace(work, files={**work.files, **draw(files)})
    return replace(work, stages=tuple(map(tuple, stages)))


@st.composite
def lives(draw: Any) -> list[Work]:
    """A work and what becomes of it."""
    works_of_life = [draw(works)]
    for _ in range(draw(st.integers(1, 4))):
        works_of_life.append(draw(edited(works_of_life[-1])))
    # What was there before is built again.
    return [*works_of_life, draw(st.sampled_from(works_of_life))]


class Builder:
    """Builds in fresh roots, with a cache or without one; tells files and configuration, or the error."""

    def __init__(self, folder: Path, registry: str) -> None:
        self.folder = folder
        self.registry = registry
        self.number = 0
        self.cached = 0

    def build(self, work: Work, **fields: Any) -> tuple[object, object]:
        self.number += 1
        site = Site(self.folder / str(self.number), self.registry)
        site.context.mkdir(parents=True)
        work.write(site.context)
        layout = site.folder / "layout"
        session = site.session(work.dockerfile, oci_layout_path=str(layout), **fields)
        try:
            session.run()
        except BuilderError as error:
            return str(error), None
        self.cached += session.progress.cached
        image = Layout(layout)
        told = tree_of(image, site.folder / "applied"), essence_of(image.config)
        shutil.rmtree(site.folder)
        return told


def tree_of(image: Layout, root: Path) -> dict[str, Described]:
    root.mkdir()
    for digest, diff_id in zip(image.layer_digests, image.config["rootfs"]["diff_ids"], strict=True):
        with (image.folder / "blobs/sha256" / digest.removeprefix("sha256:")).open("rb") as blob:
            apply(blob, Digest.parse(diff_id), Boundary(root))
    return {path: described._replace(mtime=0) for path, described in describe(root).items()}


def essence_of(config: Mapping[str, Any]) -> object:
    steps = [{**step, "created": ""} for step in config["history"]]
    return {**config, "created": "", "rootfs": len(config["rootfs"]["diff_ids"]), "history": steps}


def lived(life: Sequence[Work], registry: str, **fields: Any) -> int:
    """Build a life cold and through a cache; returns how many steps were taken from it."""
    with TemporaryDirectory(prefix="cache-") as name:
        builder = Builder(Path(name), registry)
        through = {"cache": True, "cache_repo": f"oci:{name}/cache", **fields}
        for number, work in enumerate(life):
            cached = builder.build(work, **through)
            cold = builder.build(work)
            if cached != cold:
                # Once more while the cache is there: what is the same then depends on more than the life.
                again = difference(builder.build(work, **through), builder.build(work))
                pytest.fail(unlike(life[: number + 1], difference(cached, cold), again, fields))
        return builder.cached


def difference(cached: tuple[object, object], cold: tuple[object, object]) -> str:
    """Tell which files and parts of the configuration are not the same."""
    lines = []
    for one, other in zip(cached, cold, strict=True):
        if isinstance(one, dict) and isinstance(other, dict):
            names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
            lines += [f"{name}:\n  cached {one.get(name)}\n  cold   {other.get(name)}" for name in names]
        elif one != other:
            lines.append(f"  cached {one}\n  cold   {other}")
    return "\n".join(lines)


def unlike(life: Sequence[Work], what: str, again: str, fields: Mapping[str, Any]) -> str:
    """Say what differs, and by which call it is found again."""
    return (
        f"build {len(life)} of a life is not as without a cache:\n{what}\n\n"
        f"built once more, cached and cold: {again or 'the same'}\n\n"
        f"Dockerfile:\n{life[-1].dockerfile}\n"
        f"lived({list(life)!r}, site.registry, **{dict(fields)!r})"
    )


@pytest.mark.parametrize("copies", [True, False])
def test_a_build_through_a_cache_is_as_without(site: Site, copies: bool) -> None:
    cached = []

    @settings(max_examples=4, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
    @example([PLAIN, PLAIN])
    @given(lives())
    def check(life: list[Work]) -> None:
        cached.append(lived(life, site.registry, cache_copy_layers=copies))

    check()
    assert cached[0] == len(PLAIN.stages[0]) + 1, "its second build takes every step from the cache"
