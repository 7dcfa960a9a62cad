"""Builds through a cache in a real registry."""

import hashlib
import http.client
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.gate import Gate, Passed, Spoiled, running_gate, times
from support.git import WHY_NO_GIT, git, make_repository, smart_http
from support.layout import Layout
from support.registry import PASSWORD, USER, Registry, docker_config, free_port, running_registry
from support.site import Site
from support.watching import come_true
from support.web import serving_files
from yadokari_builder.errors import ContextError, RunError, UnauthorizedError, UsageError
from yadokari_builder.rootfs.notices import Notices
from yadokari_contract.results.build import BuildResult

DOCKERFILE = """\
FROM busybox
WORKDIR /w
RUN echo one > one
COPY src .
RUN cat one main > two
ENV A=b
RUN test -e two
"""


@dataclass
class Builds:
    """Builds of one context, each in a fresh root, pushed to one repository and through its cache."""

    folder: Path
    registry: str
    repository: str
    fields: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    number: int = 0

    @property
    def context(self) -> Path:
        return self.folder / "context"

    @property
    def root(self) -> Path:
        """The root of the last build."""
        return self.folder / str(self.number) / "root"

    def __call__(self, dockerfile: str = DOCKERFILE, /, **fields: Any) -> BuildResult:
        self.number += 1
        site = Site(self.folder / str(self.number), self.registry)
        site.folder.mkdir(parents=True)
        self.context.mkdir(exist_ok=True)
        (site.folder / "context").symlink_to(self.context)
        given = {"destinations": (self.repository,), "cache": True, "cache_copy_layers": True}
        return site.session(dockerfile, self.environment, **(given | self.fields | fields)).run()

    def image(self, dockerfile: str = DOCKERFILE, /, **fields: Any) -> Layout:
        """Build and return the image."""
        layout = self.folder / f"layout{self.number}"
        self(dockerfile, oci_layout_path=str(layout), **fields)
        return Layout(layout)


@pytest.fixture(autouse=True)
def _everything_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def build(stocked_registry: Registry, registry: Registry, name: str, tmp_path: Path) -> Builds:
    builds = Builds(tmp_path, stocked_registry.host, f"{registry.host}/{name}")
    (builds.context / "src").mkdir(parents=True)
    (builds.context / "src/main").write_text("main\n")
    return builds


@pytest.fixture
def gate(registry: Registry, build: Builds, name: str) -> Any:
    """A gate before the registry, through which all goes from now on."""
    with running_gate(registry.host) as running:
        build.registry, build.repository = running.host, f"{running.host}/{name}"
        yield running


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_was_built_once_is_not_built_again(build: Builds, caplog: pytest.LogCaptureFixture) -> None:
    first, second = build(), build()
    assert (first.cached, first.performed, first.steps) == (0, 5, 7)
    assert (second.cached, second.performed, second.steps) == (5, 0, 7)
    assert (first.missed, first.saved, second.missed) == (5, 0, 0)
    steps = ["WORKDIR /w", "RUN echo one > one", "COPY src .", "RUN cat one main > two", "RUN test -e two"]
    assert first.misses == tuple(f"{step}: nothing of it is in the cache" for step in steps)
    assert not warnings(caplog)


def test_the_result_says_why_each_step_is_done_anew(build: Builds) -> None:
    build()
    (build.context / "src/main").write_text("other\n")
    changed = build()
    copied = "COPY src .: 1 file changed, first src/main"
    assert (changed.missed, changed.misses) == (3, (copied,)), "others follow from it"
    (build.context / "src/main").write_text("again\n")
    changed = build(DOCKERFILE.replace("A=b", "A=c"))
    sees = "RUN test -e two: it sees other variables; what is below it has changed"
    assert (changed.missed, changed.misses) == (3, (copied, sees))


def test_a_step_says_that_its_base_has_changed_but_not_that_a_step_has(build: Builds) -> None:
    base = f"{build.repository}:base"
    dockerfile = f"FROM {base} AS one\nRUN echo {{}} > /a\nRUN test -e /a\nFROM one\nRUN test -e /bin\n"
    build("FROM busybox\nRUN echo 1 > /base\n", destinations=(base,))
    build(dockerfile.format(1))
    build("FROM busybox\nRUN echo 2 > /base\n", destinations=(base,))
    other = build(dockerfile.format(1))
    assert (other.missed, other.misses) == (3, ("RUN echo 1 > /a: what is below it has changed",))
    again = build(dockerfile.format(2))
    assert (again.missed, again.misses) == (3, ("RUN echo 2 > /a: nothing of it is in the cache",))


def test_the_result_says_what_the_cache_has_saved(build: Builds) -> None:
    dockerfile = "FROM busybox\nRUN sleep 0.4\nCOPY src /\n"
    assert build(dockerfile).saved == 0
    assert 0.4 <= build(dockerfile).saved < 60
    partly = build(dockerfile, cache_copy_layers=False)
    assert (partly.cached, partly.performed, partly.missed) == (1, 1, 0), "copies are not looked for"


def test_without_being_asked_for_nothing_is_taken_or_kept(build: Builds) -> None:
    assert [build(cache=False).cached for _ in "12"] == [0, 0]
    assert build().cached == 0


def test_a_cached_build_is_the_one_that_was_there(build: Builds) -> None:
    assert build(reproducible=True).digest == build(reproducible=True).digest


def test_nothing_is_unpacked_where_all_is_cached(build: Builds) -> None:
    build()
    build()
    assert [path.name for path in build.root.iterdir()] == ["yadokari"]


def test_of_a_build_that_is_cached_little_is_asked(build: Builds, gate: Gate, registry: Registry) -> None:
    build()
    gate.passed.clear()
    assert build().cached == 5
    read = [request.path for request in gate.passed if request.method == "GET" and "/blobs/" in request.path]
    assert len(read) == 1, "the base's config alone"
    assert "/library/busybox/" in read[0]
    assert gate.count("GET", "/cache/manifests/") == 5
    assert gate.count("HEAD", "/cache/blobs/") == 4, "one of the steps has no layer"
    assert gate.count("PUT", "/cache/") == gate.count("POST", "/cache/") == gate.count("PATCH") == 0
    assert gate.count("PUT", "/manifests/latest") == 1


def test_connections_are_used_again(build: Builds, gate: Gate) -> None:
    dockerfile = "FROM scratch\n" + "".join(f"WORKDIR /{number}\n" for number in range(12))
    build(dockerfile)
    gate.passed.clear()
    gate.connections = 0
    assert build(dockerfile).cached == 12
    assert gate.connections * 2 < len(gate.passed)


def test_all_that_can_be_known_is_looked_for_before_a_base_is_read(build: Builds, gate: Gate) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN echo {} > /a\n"
        "FROM busybox\nRUN echo b > /b\nCOPY src /\nCOPY --from=one /a /\n"
    )
    build(dockerfile.format(1))
    gate.passed.clear()
    assert build(dockerfile.format(2)).cached == 2
    asked = [f"{request.method} {request.path}" for request in gate.passed]
    read = max(number for number, each in enumerate(asked) if "GET /v2/library/busybox/blobs/" in each)
    keys = [each for each in asked[:read] if re.search(r"^GET .*/cache/manifests/[0-9a-f]{64}$", each)]
    assert len(keys) == 3, "one of the first stage, and two of the last one"


def test_layers_of_the_cache_are_mounted_and_not_sent(
    build: Builds, gate: Gate, registry: Registry, name: str
) -> None:
    build()
    gate.passed.clear()
    other = f"{gate.host}/{name}/other"
    build(destinations=(other,), cache_repo=f"{build.repository}/cache")
    assert gate.count("POST", "mount=") == 5, "those of four steps and of the base"
    assert not [
        request for request in gate.passed if request.method == "GET" and "/cache/blobs/" in request.path
    ]
    assert Layout.pull(f"{registry.host}/{name}/other", build.folder / "pulled").manifest["layers"]


def test_what_is_sent_to_the_destination_is_not_sent_to_the_cache_again(build: Builds, gate: Gate) -> None:
    build()
    sent = [request for request in gate.passed if request.method == "PUT" and "/cache/blobs/" in request.path]
    assert len(sent) == 7, "configs alone, and the names in the base"
    assert gate.count("POST", "/cache/blobs/uploads/?mount=") == 4
    assert gate.count("HEAD", "/cache/blobs/") == 0, "what is new and small is not asked for"


def test_what_a_step_left_is_sent_once_for_all_its_keys(build: Builds, gate: Gate) -> None:
    build("FROM busybox AS one\nRUN echo a > /a\nFROM busybox\nCOPY --from=one /a /b\n")
    asked = [request for request in gate.passed if "/cache/" in request.path]
    sent = [request.path.rpartition("digest=")[2] for request in asked if "digest=" in request.path]
    assert len(sent) == len({*sent}) == 5, "configs, the other layer, and the names in the base"
    assert gate.count("POST", "/cache/blobs/uploads/?mount=") == 1, "the layer that the image has"
    assert gate.count("PUT", "/cache/manifests/") == 6


def test_the_cache_is_looked_into_while_it_is_found_out_whether_the_image_may_be_pushed(
    build: Builds, gate: Gate
) -> None:
    come: list[bool] = []

    def wait_for_key(request: Passed) -> None:
        if not come and request.method == "POST":
            come.append(come_true(lambda: gate.count("GET", "/cache/manifests/") > 0))

    gate.spoil = wait_for_key
    build("FROM busybox\nRUN echo a > /a\n")
    assert come == [True]


def test_who_may_not_push_need_not_wait_for_the_cache(build: Builds, gate: Gate) -> None:
    told = threading.Event()

    def spoil(request: Passed) -> Spoiled | None:
        if "/cache/manifests/" in request.path:
            assert told.wait(60)
        return Spoiled(401) if request.method == "POST" else None

    gate.spoil = spoil
    try:
        with pytest.raises(UnauthorizedError):
            build("FROM busybox\nRUN echo a > /a\n")
    finally:
        told.set()


def test_the_context_is_read_while_a_base_comes_in(build: Builds, gate: Gate) -> None:
    come: list[bool] = []
    opened: list[bytes] = []
    with closing(Notices()) as notices:
        notices.add(str(build.context / "src"))

        def is_read() -> bool:
            opened.extend(notice.name for notice in notices.read())
            return b"main" in opened

        def wait_until_read(request: Passed) -> None:
            if request.method == "GET" and gate.count("GET", "/library/busybox/blobs/") == 2 and not come:
                come.append(come_true(is_read))

        gate.spoil = wait_until_read
        build("FROM busybox\nRUN echo a > /a\nCOPY src /\n")
    assert come == [True]


def layers_read(gate: Gate) -> int:
    """Count the blobs that were read since the last time, but for the base's config."""
    read = [request.path for request in gate.passed if request.method == "GET" and "/blobs/" in request.path]
    gate.passed.clear()
    return len(read) - 1


COPYING = "FROM busybox\nRUN echo one > /one; mkdir -p /srv/w; ln -s /srv /link\nCOPY src /link/w/\n"


@pytest.mark.parametrize("copies", [True, False])
def test_a_copy_that_is_done_again_reads_no_layer_below_it(build: Builds, gate: Gate, copies: bool) -> None:
    build(COPYING)
    assert layers_read(gate) == 1
    (build.context / "src/main").write_text("other\n")
    assert build(COPYING, cache_copy_layers=copies).cached == 1
    assert layers_read(gate) == 1, "the names in the base; those in the step's layer are in its entry"
    assert (build.root / "srv/w/main").read_text() == "other\n"


@pytest.mark.parametrize("spoiled", [Spoiled(404), Spoiled(200, body=b"hostile"), Spoiled(cut=20)])
def test_names_that_are_of_no_use_are_read_from_the_layers(
    build: Builds, gate: Gate, spoiled: Spoiled, caplog: pytest.LogCaptureFixture
) -> None:
    build(COPYING)
    (build.context / "src/main").write_text("other\n")
    gate.spoil = lambda request: (
        spoiled if request.method == "GET" and "/cache/blobs/" in request.path else None
    )
    assert build(COPYING).cached == 1
    assert [text for text in warnings(caplog) if "the names in a layer are left out" in text]
    assert (build.root / "srv/w/main").read_text() == "other\n"


def test_names_of_many_files_have_an_entry_of_their_own(build: Builds, gate: Gate) -> None:
    many = "i=0; while [ $i -lt 3000 ]; do : > $i$(printf %s $i | md5sum | head -c 6); i=$((i+1)); done"
    dockerfile = f"FROM busybox\nWORKDIR /many\nRUN {many}\nCOPY src /\n"
    build(dockerfile)
    (build.context / "src/main").write_text("other\n")
    layers_read(gate)
    assert build(dockerfile).cached == 2
    assert layers_read(gate) == 2
    assert len([*(build.root / "many").iterdir()]) == 3000


@pytest.mark.long
def test_only_what_comes_after_a_change_is_built(build: Builds) -> None:
    build()
    (build.context / "src/main").write_text("other\n")
    image = build.image()
    assert read(image, "w/two") == "one\nother\n"
    assert build(oci_layout_path="").cached == 5
    (build.context / "src/main").write_text("third\n")
    assert build().cached == 2


def read(image: Layout, path: str) -> str:
    for layer in reversed([*image.layers()]):
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            if path in archive.getnames():
                file = archive.extractfile(path)
                assert file
                return file.read().decode()
    raise AssertionError(f"{path} is in no layer")


def test_times_of_files_change_nothing(build: Builds) -> None:
    build()
    os.utime(build.context / "src/main", (1, 1))
    assert build().cached == 5


@pytest.mark.long
def test_a_mode_that_the_copy_changes_anyway_changes_nothing(build: Builds) -> None:
    dockerfile = "FROM busybox\nCOPY {} src /w/\nRUN ls -l /w > /list\n"
    for chmod, cached in (("", 0), ("--chmod=u=rwX,go=rX", 2)):
        (build.context / "src/main").chmod(0o644)
        build(dockerfile.format(chmod))
        (build.context / "src/main").chmod(0o664)
        assert build(dockerfile.format(chmod)).cached == cached


def test_a_step_whose_result_came_out_the_same_ends_what_is_built_again(build: Builds, gate: Gate) -> None:
    dockerfile = "FROM busybox\nRUN : {}; echo a > /a\nRUN cat /a > /b\nCOPY src /c\n"
    build(dockerfile.format(1))
    gate.passed.clear()
    assert build(dockerfile.format(2)).cached == 2
    assert layers_read(gate) == 1, "the base's, and none of those above the step"


def test_other_stages_are_cached_by_themselves(build: Builds) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN echo {one} > /one\nFROM busybox AS two\nRUN echo {two} > /two\n"
        "FROM busybox\nCOPY --from=one /one /\nCOPY --from=two /two /\n"
    )
    build(dockerfile.format(one=1, two=1))
    assert build(dockerfile.format(one=1, two=1)).cached == 4
    again = build(dockerfile.format(one=2, two=1))
    assert again.cached == 1, "the second stage; what is copied lands on something else"


def test_a_copy_is_told_by_what_is_taken_and_not_by_the_stage(build: Builds) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN echo {} > /other; echo a > /a\n"
        "FROM busybox\nCOPY --from=one /a /\nRUN test -e /a\n"
    )
    build(dockerfile.format(1))
    assert build(dockerfile.format(2)).cached == 2
    assert build(dockerfile.format(2)).cached == 3


def test_a_stage_that_is_cached_is_unpacked_for_who_copies_from_it(build: Builds) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN mkdir /a; echo a > /a/a; ln -s /a /b\n"
        "FROM busybox\nCOPY --from=one {} /c/\n"
    )
    build(dockerfile.format("/a/a"))
    image = build.image(dockerfile.format("/b/"))
    assert read(image, "c/a") == "a\n"
    assert not (build.root / "a").exists()


def test_of_stages_that_are_cached_those_that_are_copied_from_alone_are_read(
    build: Builds, gate: Gate
) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN echo a > /a\nFROM busybox AS two\nRUN echo 2 > /two\n"
        "FROM scratch\nCOPY --from=two /two /\nCOPY --from=one /a {}\n"
    )
    build(dockerfile.format("/x"))
    gate.passed.clear()
    assert build(dockerfile.format("/y")).cached == 3
    assert layers_read(gate) == 2, "the layers of the first stage"


def test_what_is_mounted_from_a_stage_is_told_by_its_content(build: Builds) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN echo {} > /a; echo {} > /other\n"
        "FROM busybox\nRUN --mount=from=one,source=/a,target=/m cat /m > /b\n"
    )
    cached = [build(dockerfile.format(*content)).cached for content in ("11", "12", "22")]
    assert cached == [0, 1, 0]
    assert (build.root / "b").read_text() == "2\n"


def test_what_is_mounted_from_a_cached_stage_is_there(build: Builds) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN echo a > /a\n"
        "FROM one\nRUN --mount=from=one,source=/a,target=/m cat /m{} > /b\n"
    )
    build(dockerfile.format(""))
    assert read(build.image(dockerfile.format(" /a")), "b") == "a\na\n"


def test_a_mount_has_no_wildcards_in_its_source(build: Builds) -> None:
    dockerfile = "FROM busybox\nRUN --mount=source=src[1],target=/m cat /m/file > /read"
    for name in ("src1", "src[1]"):
        (build.context / name).mkdir()
        (build.context / name / "file").write_text(name)
    assert [build(dockerfile).cached for _ in "12"] == [0, 1]
    (build.context / "src[1]/file").write_text("changed")
    assert build(dockerfile).cached == 0


def test_two_names_of_a_file_are_told_from_two_files(build: Builds) -> None:
    """What is written to one name later is in the other one, or is not."""
    dockerfile = "FROM busybox\nRUN echo x > /a\nRUN {} /a /b\nRUN echo y > /b"
    assert build(dockerfile.format("cp -p")).cached == 0
    assert build(dockerfile.format("ln")).cached == 1
    build(dockerfile.format("ln").replace("echo y", "echo z"))
    assert (build.root / "a").read_text() == "z\n"


def test_a_stage_goes_on_from_cached_layers(build: Builds) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN echo a > /a\nRUN rm -r /etc\nFROM one\nRUN test ! -e /etc && cat /a > {}\n"
    )
    build(dockerfile.format("/b"))
    assert read(build.image(dockerfile.format("/c")), "c") == "a\n"
    assert (build.root / "a").read_text() == "a\n"


def test_names_are_enough_where_what_misses_needs_no_more(build: Builds) -> None:
    dockerfile = "FROM busybox\nRUN echo a > /a\nCOPY src /src\n"
    build(dockerfile)
    (build.context / "src/main").write_text("other\n")
    assert build(dockerfile).cached == 1
    assert (build.root / "bin/busybox").stat().st_size == (build.root / "a").stat().st_size == 0


def test_copies_are_cached_only_where_that_is_asked_for(build: Builds) -> None:
    build(cache_copy_layers=False)
    assert build(cache_copy_layers=False).cached == 4


def test_processes_are_cached_unless_that_is_not_wanted(build: Builds) -> None:
    build(cache_run_layers=False)
    assert build(cache_run_layers=False).cached == 2, "what the process left came out the same"


def test_an_argument_in_scope_of_a_process_counts(build: Builds) -> None:
    dockerfile = "FROM busybox\nRUN echo a > /a\nARG A\nRUN echo b > /b\n"
    build(dockerfile, build_args={"A": "1"})
    assert build(dockerfile, build_args={"A": "1"}).cached == 2
    assert build(dockerfile, build_args={"A": "2"}).cached == 1


def test_a_proxy_does_not(build: Builds) -> None:
    build(build_args={"HTTP_PROXY": "http://one:1"})
    assert build(build_args={"HTTP_PROXY": "http://two:2"}).cached == 5


def test_the_value_of_a_secret_does_not(build: Builds) -> None:
    dockerfile = "FROM busybox\nRUN --mount=type=secret,id=S,env=S test -n $S\n"
    build.environment = {"S": "one"}
    build(dockerfile, secrets=("id=S,env=S",))
    build.environment = {"S": "two"}
    assert build(dockerfile, secrets=("id=S,env=S",)).cached == 1


def test_no_secret_gets_into_the_cache(build: Builds, registry: Registry) -> None:
    build.environment = {"S": "a-secret-that-is-nowhere"}
    build(
        "FROM busybox\nARG HTTP_PROXY\nRUN --mount=type=secret,id=S,env=S test -n $S\n",
        secrets=("id=S,env=S",),
    )
    kept = [path for path in registry.storage.rglob("data") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"a-secret-that" in path.read_bytes()]


def test_another_platform_is_another_thing(build: Builds) -> None:
    dockerfile = "FROM scratch\nCOPY src /\n"
    build(dockerfile)
    assert build(dockerfile, custom_platform="linux/riscv64").cached == 0
    assert build(dockerfile).cached == 1


@pytest.mark.parametrize(
    "fields", [{"compression": "zstd"}, {"reproducible": True}, {"ignore_paths": ("/x",)}], ids=str
)
def test_layers_that_are_made_otherwise_are_others(build: Builds, fields: dict[str, Any]) -> None:
    build()
    assert build(**fields).cached == 0


def test_what_is_too_old_is_built_again_and_kept(build: Builds, caplog: pytest.LogCaptureFixture) -> None:
    build()
    assert build(cache_ttl=timedelta(0)).cached == 0
    assert "too old" in caplog.text
    assert build(cache_ttl=timedelta(minutes=5)).cached == 5
    assert not warnings(caplog)


def test_a_cache_that_is_only_read_is_not_written(build: Builds) -> None:
    build(no_push_cache=True)
    assert build().cached == 0
    assert build(no_push_cache=True).cached == 5


@pytest.mark.long
def test_others_caches_can_be_read(build: Builds, registry: Registry, name: str) -> None:
    build()
    mine = f"{registry.host}/{name}/mine"
    request = {"destinations": (mine,), "cache_from": (f"{build.repository}/cache",)}
    assert build(**request).cached == 5
    (build.context / "src/main").write_text("other\n")
    assert build(**request).cached == 2
    assert build(**request).cached == 5, "what was not there is in the own cache now"
    assert build().cached == 2, "and not in the other one"


def test_others_caches_alone_are_read_and_nothing_is_written(
    build: Builds, registry: Registry, name: str
) -> None:
    build()
    request = {
        "cache": False,
        "cache_from": (f"{build.repository}/cache",),
        "destinations": (f"{registry.host}/{name}/x",),
    }
    assert build(**request).cached == 5
    assert not (registry.storage / f"docker/registry/v2/repositories/{name}/x/cache").exists()


def test_a_folder_can_be_the_cache(build: Builds, tmp_path: Path) -> None:
    cache = f"oci:{tmp_path}/cache"
    build(cache_repo=cache)
    assert build(cache_repo=cache).cached == 5
    index = json.loads((tmp_path / "cache/index.json").read_text())
    names = [manifest["annotations"]["org.opencontainers.image.ref.name"] for manifest in index["manifests"]]
    assert sum(len(name) == 64 for name in names) == 5
    assert sum(name.startswith("outline-") for name in names) == 1
    assert build(cache=False, cache_from=(cache,)).cached == 5


@pytest.mark.parametrize("place", [".", "blobs", "blobs/sha256"])
@pytest.mark.parametrize("cache", [True, False], ids=["own", "others"])
def test_a_file_in_place_of_a_folder_of_the_cache_is_one_warning_that_says_what_to_do(
    build: Builds, tmp_path: Path, place: str, cache: bool, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "cache"
    request = {"cache_repo": f"oci:{folder}"} if cache else {"cache": False, "cache_from": (f"oci:{folder}",)}
    build(cache_repo=f"oci:{folder}")
    shutil.rmtree(folder / place)
    (folder / place).write_text("what somebody left there")
    assert build(**request).cached == 0
    assert (folder / place).read_text() == "what somebody left there"
    flag = "--cache-repo" if cache else "--cache-from"
    assert warnings(caplog) == [
        f"cache: there can be none in oci:{folder}: {os.path.normpath(folder / place)} is no folder:"
        f" delete it, or name another folder by {flag}"
    ]


def test_another_registry_can_hold_the_cache_with_its_own_credentials(
    build: Builds, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_registry(tmp_path / "locked", passwords=True) as locked:
        build.environment = {"DOCKER_AUTH_CONFIG": docker_config(locked.host, USER, PASSWORD)}
        cache = f"{locked.host}/team/cache"
        build(cache_repo=cache)
        assert build(cache_repo=cache).cached == 5
        image = Layout.pull(build.repository, tmp_path / "pulled")
        assert read(image, "w/two") == "one\nmain\n"
        build.environment = {}
        caplog.clear()
        assert build(cache_repo=cache).cached == 0
        assert len(warnings(caplog)) == 2, "for reading and for writing"


def test_the_own_cache_takes_credentials_for_pushing_and_others_those_for_pulling(
    build: Builds, tmp_path: Path
) -> None:
    with running_registry(tmp_path / "locked", passwords=True) as locked:
        login, cache = docker_config(locked.host, USER, PASSWORD), f"{locked.host}/team/cache"
        build.environment = {"DOCKER_AUTH_CONFIG_PUSH_3": login}
        build(cache_repo=cache)
        assert build(cache_repo=cache, no_push_cache=True).cached == 5
        others = {"cache": False, "cache_from": (cache,)}
        assert build(**others).cached == 0
        build.environment = {"DOCKER_AUTH_CONFIG_PULL_1": login}
        assert build(**others).cached == 5
        assert build(cache_repo=cache, no_push_cache=True).cached == 0


def test_an_instruction_that_fails_leaves_what_was_done_before_it(build: Builds) -> None:
    dockerfile = "FROM busybox\nRUN echo a > /a\nRUN exit {}\n"
    with pytest.raises(RunError):
        build(dockerfile.format(1))
    assert build(dockerfile.format(0)).cached == 1


def test_a_file_that_is_missing_is_told_as_ever(build: Builds) -> None:
    with pytest.raises(ContextError, match="not found") as caught:
        build("FROM busybox\nRUN echo a > /a\nCOPY missing /\n")
    assert caught.value.line == 3


def test_a_cache_needs_a_place(build: Builds) -> None:
    with pytest.raises(UsageError, match="--cache has no place"):
        build(destinations=(), no_push=True)
    with pytest.raises(UsageError, match="without a tag"):
        build(cache_repo=f"{build.repository}/cache:tag")
    with pytest.raises(UsageError, match=r"--cache-repo: .* without https"):
        build(cache_repo="https://registry.example.com/cache")
    with pytest.raises(UsageError, match=r"--cache-from: .* lower case"):
        build(cache_from=("registry.example.com/Cache",))


def test_one_layer_for_all_is_made_without_a_cache(build: Builds, caplog: pytest.LogCaptureFixture) -> None:
    build()
    assert build(single_snapshot=True).cached == 0
    assert len(warnings(caplog)) == 1


def test_all_files_are_there_in_the_end_where_that_is_asked_for(build: Builds) -> None:
    build()
    assert build(materialize=True).cached == 5
    assert (build.root / "w/two").read_text() == "one\nmain\n"
    assert (build.root / "bin/busybox").stat().st_size > 0


def test_what_is_copied_to_where_the_executor_is_is_never_lost(build: Builds) -> None:
    dockerfile = (
        "FROM busybox AS one\nCOPY src /yadokari/src\nRUN echo {} > /a\n"
        "FROM busybox\nCOPY --from=one /yadokari /y\n"
    )
    build(dockerfile.format(1))
    image = build.image(dockerfile.format(2))
    assert read(image, "y/src/main") == "main\n"


def test_what_a_step_made_without_seeing_all_is_not_kept_for_pods_where_it_would(build: Builds) -> None:
    dockerfile = (
        "FROM busybox\nRUN echo a > /a\nCOPY src /yadokari/src\nRUN ls /yadokari/src > /seen || true\n"
    )
    assert [build(dockerfile).cached for _ in "12"] == [0, 1]


def test_a_file_whose_name_is_not_utf8_is_known_again(build: Builds) -> None:
    (build.context / "src/a\udcff").write_text("the same")
    build()
    (build.context / "src/main").write_text("other\n")
    assert build().misses[0] == "COPY src .: 1 file changed, first src/main"


def test_what_a_step_does_to_the_root_itself_is_as_little_seen_as_it_is_in_the_image(build: Builds) -> None:
    look = "RUN stat -c '%a %u' / >"
    image = build.image(f"FROM busybox\n{look} /before\nRUN chmod 700 / && chown 1 /\n{look} /after")
    assert read(image, "before") == read(image, "after")


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    texts = [record.getMessage() for record in caplog.records if getattr(record, "kind", "") == "note"]
    return [text.removeprefix("  cache: ") for text in texts if text.startswith("  cache: ")]


@pytest.mark.long
def test_the_log_says_why_a_step_was_done(build: Builds, caplog: pytest.LogCaptureFixture) -> None:
    dockerfile = "FROM busybox\nARG A\nCOPY src {}\nENV B=$A\nRUN echo $A > /a\nRUN cat /a > /b\n"
    (build.context / "src/second").touch()
    (build.context / "src/third").touch()
    build(dockerfile.format("/c"))
    assert reasons(caplog) == ["nothing of it is in the cache"] * 3
    caplog.clear()
    (build.context / "src/main").write_text("other")
    (build.context / "src/second").unlink()
    build(dockerfile.format("/c"))
    assert reasons(caplog) == ["2 files changed, first src/main", *["what is below it has changed"] * 2]
    caplog.clear()
    build(dockerfile.format("/c"), build_args={"A": "1"})
    assert reasons(caplog) == [
        "it sees other variables",
        "it sees other variables; what is below it has changed",
    ]
    caplog.clear()
    build(dockerfile.format("/d"))
    assert reasons(caplog)[0] == "nothing of it is in the cache"


def test_a_step_that_was_cached_is_marked_for_machines(
    build: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    build()
    caplog.clear()
    build()
    marked = [record for record in caplog.records if getattr(record, "cached", False)]
    assert [record.__dict__["step"] for record in marked] == [2, 3, 4, 5, 7]
    assert {record.__dict__["kind"] for record in marked} == {"done"}


def test_a_file_of_the_web_is_known_by_its_name_and_content(build: Builds, tmp_path: Path) -> None:
    for place, content in {"one": "a", "two": "a", "three": "b"}.items():
        (tmp_path / "web" / place).mkdir(parents=True)
        (tmp_path / "web" / place / "a.txt").write_text(content)
    with serving_files(tmp_path / "web") as address:
        dockerfile = f"FROM scratch\nADD {address}/{{}}/a.txt /\n"
        build(dockerfile.format("one"))
        assert build(dockerfile.format("two")).cached == 1
        assert read(build.image(dockerfile.format("three")), "a.txt") == "b"
    checked = dockerfile.replace("ADD", f"ADD --checksum=sha256:{hashlib.sha256(b'a').hexdigest()}")
    assert build(checked.format("one")).cached == 1, "nobody is asked where the content is told"


@pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)
def test_a_branch_is_known_by_its_commit_and_not_fetched_for_that(build: Builds, tmp_path: Path) -> None:
    repository = tmp_path / "served/one.git"
    (repository / "a").mkdir(parents=True)
    (repository / "a/file").write_text("first")
    make_repository(repository)
    with smart_http(tmp_path / "served") as address, running_gate(address.removeprefix("http://")) as gate:
        dockerfile = f"FROM scratch\nADD http://{gate.host}/one.git#main:a /\n"

        def fetched() -> bool:
            """Tell whether more was asked for than refs since the last time (git, protocol-v2)."""
            asked = gate.count("POST", "/git-upload-pack")
            gate.passed.clear()
            return asked > 1

        assert build(dockerfile).cached == 0
        assert fetched()
        assert build(dockerfile).cached == 1
        assert not fetched()
        (repository / "elsewhere").write_text("what is taken stays")
        git(repository, "add", "-A")
        git(repository, "commit", "-q", "-m", "second")
        assert build(dockerfile).cached == 1
        assert fetched()
        assert build(dockerfile).cached == 1
        assert not fetched(), "the new commit is known by now"
        (repository / "a/file").write_text("second")
        git(repository, "commit", "-q", "-a", "-m", "third")
        assert read(build.image(dockerfile), "file") == "second"


@pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)
def test_a_branch_that_moves_before_it_is_fetched_is_kept_as_what_was_fetched(
    build: Builds, tmp_path: Path
) -> None:
    repository = tmp_path / "served/one.git"
    repository.mkdir(parents=True)
    (repository / "file").write_text("first")
    make_repository(repository)
    first = git(repository, "rev-parse", "HEAD")
    asked = 0

    def move(request: Passed) -> None:
        nonlocal asked
        asked += "info/refs" in request.path
        if asked == 2:
            asked = 3
            (repository / "file").write_text("second")
            git(repository, "commit", "-q", "-a", "-m", "second")

    with smart_http(tmp_path / "served") as address, running_gate(address.removeprefix("http://")) as gate:
        dockerfile = f"FROM scratch\nADD http://{gate.host}/one.git#main /\n"
        gate.spoil = move
        assert read(build.image(dockerfile), "file") == "second"
        assert asked == 3
        git(repository, "reset", "-q", "--hard", first)
        assert read(build.image(dockerfile), "file") == "first"


@pytest.mark.parametrize("is_pinned", [False, True], ids=["branch", "commit"])
@pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)
def test_a_repository_is_known_by_what_is_excluded_of_it(
    build: Builds, tmp_path: Path, is_pinned: bool
) -> None:
    repository = tmp_path / "served/one.git"
    repository.mkdir(parents=True)
    for file in ("a", "b"):
        (repository / file).write_text(file)
    make_repository(repository)
    checksum = f"--checksum={git(repository, 'rev-parse', 'HEAD')}" if is_pinned else ""
    with smart_http(tmp_path / "served") as address:
        dockerfile = f"FROM scratch\nADD {checksum} {{}} {address}/one.git#main /\n"
        for exclude, left in {"--exclude=a": ["b"], "": ["a", "b"], "--exclude=b": ["a"]}.items():
            image = build.image(dockerfile.format(exclude))
            assert sorted(image.names_in_layers()) == left
            assert build(dockerfile.format(exclude)).cached == 1


@pytest.mark.long
def test_an_image_that_is_copied_from_is_known_by_its_layers_and_by_what_is_taken(
    build: Builds, registry: Registry, name: str
) -> None:
    other = f"{registry.host}/{name}/other"
    build("FROM busybox\nCOPY src /src\nRUN echo 1 > /x\n", destinations=(other,), cache=False)
    dockerfile = f"FROM scratch\nCOPY --from={other} /src /src\n"
    build(dockerfile)
    assert build(dockerfile).cached == 1
    assert not (build.root / "yadokari/work/aside").is_dir() or not any(
        (build.root / "yadokari/work/aside").iterdir()
    )
    build("FROM busybox\nCOPY src /src\nRUN echo 2 > /x\n", destinations=(other,), cache=False)
    assert build(dockerfile).cached == 1


@pytest.mark.long
def test_two_builds_may_write_the_same_at_once(build: Builds, caplog: pytest.LogCaptureFixture) -> None:
    others = []
    for number in (1, 2):
        folder = build.folder / f"other{number}"
        shutil.copytree(build.context, folder / "context")
        told = [str(folder), build.registry, build.repository, DOCKERFILE]
        program = (
            f"import sys; sys.path[:0] = {sys.path!r}; from builder.cache.steps.test_builds import Builds; "
            + ("from pathlib import Path; Builds(Path(sys.argv[1]), *sys.argv[2:4])(sys.argv[4])")
        )
        others.append(subprocess.Popen([sys.executable, "-c", program, *told]))
    assert [other.wait() for other in others] == [0, 0]
    assert build().cached == 5
    assert not warnings(caplog)


# What may be wrong with a cache, done to entries of a real registry.


def blobs(registry: Registry) -> list[Path]:
    return [*registry.storage.glob("docker/registry/v2/blobs/sha256/*/*/data")]


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A registry of the test's own for the cache, to be damaged."""
    with running_registry(tmp_path_factory.mktemp("own")) as running:
        yield running


def kinds(registry: Registry) -> tuple[list[Path], list[Path], list[Path]]:
    """Tell manifests, configs and layers apart."""
    manifests: list[Path] = []
    configs: list[Path] = []
    layers: list[Path] = []
    for path in blobs(registry):
        data = path.read_bytes()
        kind = layers if data[:1] != b"{" else manifests if b'"schemaVersion"' in data else configs
        kind.append(path)
    return manifests, configs, layers


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def make_foreign(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"dev.yadokari.cache.key", b"dev.yadokari.other.key"))


DAMAGES: dict[str, tuple[int, Callable[[Path], object]]] = {
    "manifests that are cut off": (0, truncate),
    "manifests that are spoiled": (0, spoil),
    "manifests of others": (0, make_foreign),
    "layers that are cut off": (2, truncate),
    "layers that are spoiled": (2, spoil),
    "layers that are gone": (2, Path.unlink),
}


@pytest.mark.parametrize(("kind", "damage"), DAMAGES.values(), ids=DAMAGES)
def test_damage_costs_the_steps_and_nothing_else(
    kind: int,
    damage: Callable[[Path], object],
    build: Builds,
    own: Registry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = f"{own.host}/cache"
    build(cache_repo=cache)
    for path in kinds(own)[kind]:
        damage(path)
    caplog.clear()
    image = build.image(cache_repo=cache)
    assert read(image, "w/two") == "one\nmain\n"
    assert warnings(caplog)
    assert all(message.startswith("cache: ") for message in warnings(caplog))


def test_a_spoiled_layer_below_a_step_that_misses_is_made_again(
    build: Builds, own: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    cache = f"{own.host}/cache"
    dockerfile = "FROM busybox\nRUN echo a > /a\nRUN cat /a > /{}\n"
    build(dockerfile.format("b"), cache_repo=cache)
    for path in kinds(own)[2]:
        spoil(path)
    caplog.clear()
    assert read(build.image(dockerfile.format("c"), cache_repo=cache), "c") == "a\n"
    assert len(warnings(caplog)) == 1


def test_a_step_that_this_build_did_before_it_began_again_is_none_that_was_cached(
    build: Builds, own: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    cache = f"{own.host}/cache"
    dockerfile = "FROM busybox\nRUN echo a > /a\nRUN echo b > /b\nRUN cat /a > /{}\n"
    build(dockerfile.format("c"), cache_repo=cache)
    for path in kinds(own)[2]:
        spoil(path)
    caplog.clear()
    result = build(dockerfile.format("d"), cache_repo=cache)
    assert (result.cached, result.saved, result.performed, result.missed) == (0, 0, 3, 3)
    assert len(warnings(caplog)) == 2
    assert [miss.partition(" >")[0] for miss in result.misses] == ["RUN echo a", "RUN echo b", "RUN cat /a"]


def test_a_spoiled_layer_in_a_folder_is_replaced(
    build: Builds, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = f"oci:{tmp_path}/cache"
    dockerfile = "FROM busybox\nRUN echo a > /a\nRUN cat /a > /{}\n"
    build(dockerfile.format("b"), cache_repo=cache)
    for path in (tmp_path / "cache/blobs/sha256").iterdir():
        if path.read_bytes().startswith(b"\x1f\x8b"):
            spoil(path)
    build(dockerfile.format("c"), cache_repo=cache)
    assert warnings(caplog)
    caplog.clear()
    assert build(dockerfile.format("d"), cache_repo=cache).cached == 1
    assert not warnings(caplog)


def test_a_cache_that_goes_down_before_its_layers_are_read_is_waited_for_once(
    build: Builds, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    dockerfile = "FROM busybox\nRUN echo a > /a\nRUN echo b > /b\nRUN echo c > /c\nRUN cat /a /b /c > /{}\n"
    build(dockerfile.format("d"))
    gate.spoil = lambda request: (
        Spoiled(503) if request.method == "GET" and "/cache/blobs/" in request.path else None
    )
    caplog.clear()
    assert read(build.image(dockerfile.format("e")), "e") == "a\nb\nc\n"
    [warning] = warnings(caplog)
    assert "are left out, and what made them is done again" in warning


def test_all_layers_of_the_images_own_registry_that_cannot_be_read_are_made_again(
    build: Builds, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    dockerfile = "FROM busybox\nRUN echo a > /a\nRUN echo b > /b\n"
    build(dockerfile)
    caplog.clear()

    def refuse(request: Passed) -> Spoiled | None:
        if "mount=" in request.path:
            return Spoiled(405)
        return Spoiled(404) if request.method == "GET" and "/cache/blobs/" in request.path else None

    gate.spoil = refuse
    other = f"{build.repository}-other:1"
    assert build(dockerfile, cache_repo=f"{build.repository}/cache", destinations=(other,)).images == (other,)
    assert len([text for text in warnings(caplog) if "what made it is done again" in text]) == 2


def test_what_has_changed_is_known_also_where_a_layer_below_is_still_being_packed(build: Builds) -> None:
    (build.context / "large").write_bytes(os.urandom(24 << 20))
    (build.context / "z").write_text("one\n")
    dockerfile = "FROM busybox\nCOPY large z /\nRUN echo two > /z\nRUN chown root /z && echo {} > /w\n"
    settings = {"cache_copy_layers": False, "compression_level": 9}
    for number in range(2):
        image = build.image(dockerfile.format(number), **settings)
        assert image.names_in_layers(skip=3) == {"w"}, number


def test_a_cache_that_is_down_is_one_warning_each_way(
    build: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    result = build(cache_repo=f"127.0.0.1:{free_port()}/cache")
    assert result.cached == 0
    assert len(warnings(caplog)) == 2, "for reading and for writing"
    assert {miss.rpartition(": ")[2] for miss in result.misses} == {"no cache can be asked"}


@pytest.mark.parametrize("status", [401, 403, 404, 500, 200])
def test_a_cache_that_refuses_is_one_warning_each_way(
    build: Builds, own: Registry, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with running_gate(own.host) as refusing:
        refusing.spoil = lambda _: Spoiled(status=status, body=b"no")
        assert build(cache_repo=f"{refusing.host}/cache").cached == 0
    if status == 200:
        assert 1 <= len(warnings(caplog)) <= 7, "for each entry"
    else:
        assert len(warnings(caplog)) == 2, "for reading and for writing"


def test_an_entry_that_is_too_long_is_left_out_alone(
    build: Builds, own: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    build(cache_repo=f"{own.host}/cache")
    caplog.clear()
    with running_gate(own.host) as gate:
        gate.spoil = times(1, "/manifests/", Spoiled(status=200, body=bytes(1 << 21)))
        assert build(cache_repo=f"{gate.host}/cache").cached >= 4
    (warning,) = warnings(caplog)
    assert warning.endswith("is left out: the answer is longer than 1048576 bytes")


def test_a_cache_that_fails_while_it_is_written_is_one_warning(
    build: Builds, own: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(request: Passed) -> Spoiled | None:
        return Spoiled(status=507) if request.method == "PUT" else None

    with running_gate(own.host) as full:
        full.spoil = refuse
        build(cache_repo=f"{full.host}/cache")
    assert len(warnings(caplog)) == 1
    assert "nothing more is written" in warnings(caplog)[0]


def test_a_repository_that_is_not_there_is_said_to_be_missing(
    build: Builds, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = json.dumps({"errors": [{"code": "NAME_UNKNOWN"}]}).encode()
    gate.spoil = lambda request: (
        Spoiled(status=404, body=unknown)
        if request.method == "POST" and "/cache/blobs/" in request.path
        else None
    )
    build()
    [warning] = warnings(caplog)
    assert "make that repository, or name another one by --cache-repo" in warning


@pytest.mark.long
def test_tags_that_are_immutable_keep_nothing_from_being_cached(
    build: Builds, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    tags: set[str] = set()

    def refuse(request: Passed) -> Spoiled | None:
        if request.method != "PUT" or "/cache/manifests/" not in request.path:
            return None
        if request.path not in tags:
            tags.add(request.path)
            return None
        message = "The image tag already exists and cannot be overwritten because the tag is immutable."
        return Spoiled(
            status=400,
            body=json.dumps({"errors": [{"code": "TAG_INVALID", "message": message}]}).encode(),
        )

    gate.spoil = refuse
    build()
    (build.context / "src/main").write_text("other\n")
    assert (build().cached, build().cached) == (2, 5)
    assert not warnings(caplog)
    build(cache_ttl=timedelta(0))
    [warning] = warnings(caplog)
    assert "an entry is not taken" in warning
    assert "immutable" in warning


@pytest.mark.long
def test_what_a_registry_refuses_of_the_cache_costs_that_alone(
    build: Builds, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    (build.context / "large").write_bytes(os.urandom(300_000))
    dockerfile = f"{DOCKERFILE}COPY large .\nRUN echo three > three\n"

    def refuse(request: Passed) -> Spoiled | None:
        length = int(request.headers.get("Content-Length", "0"))
        is_large = request.method in ("PUT", "PATCH") and length > 200_000
        return Spoiled(status=413) if is_large and "/cache/" in request.path else None

    # Nothing is mounted, as where the cache is elsewhere.
    gate.spoil = lambda request: Spoiled(status=405) if "mount=" in request.path else refuse(request)
    build(dockerfile)
    [warning] = warnings(caplog)
    assert "413" in warning
    assert build(dockerfile).cached == 6


@pytest.mark.long
def test_a_registry_that_takes_no_entry_at_all_is_left_alone_soon(
    build: Builds, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.spoil = lambda request: (
        Spoiled(status=415) if request.method == "PUT" and "/cache/manifests/" in request.path else None
    )
    build(DOCKERFILE + "".join(f"RUN echo {number} > {number}\n" for number in range(4)))
    assert len(warnings(caplog)) == 2
    assert "nothing more is written" in warnings(caplog)[1]
    assert gate.count("PUT", "/cache/manifests/") <= 5


@pytest.mark.long
def test_what_a_registry_does_not_show_is_not_there_and_the_rest_is(
    build: Builds, gate: Gate, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    build()
    (build.context / "src/main").write_text("other\n")

    def refuse(request: Passed) -> Spoiled | None:
        if request.method != "GET" or "/cache/manifests/" not in request.path:
            return None
        with closing(http.client.HTTPConnection(registry.host)) as connection:
            connection.request("HEAD", request.path, headers=dict(request.headers))
            is_missing = connection.getresponse().status == 404
        return Spoiled(status=403) if is_missing else None

    gate.spoil = refuse
    assert build().cached == 2
    [warning] = warnings(caplog)
    assert "403" in warning
    assert build().cached == 5


@pytest.mark.long
def test_who_may_not_write_to_the_cache_reads_it(
    build: Builds, own: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """As of registries that give no right at all to who asks for one that he has not."""
    cache = f"{own.host}/cache"
    build(cache_repo=cache)
    (build.context / "src/main").write_text("other\n")
    with running_gate(own.host) as guard:
        guard.spoil = strict(guard)
        assert build(cache_repo=f"{guard.host}/cache").cached == 2
    assert "nothing more is written" in warnings(caplog)[-1]
    assert "is not asked any more" not in caplog.text


def strict(guard: Gate) -> Callable[[Passed], Spoiled | None]:
    """Want tokens, and give them to who asks to pull and nothing else."""

    def answer(request: Passed) -> Spoiled | None:
        if request.path.startswith("/token"):
            may = "push" not in request.path
            body = json.dumps({"token": "t"} if may else {"errors": [{"code": "DENIED"}]}).encode()
            return Spoiled(status=200 if may else 403, body=body)
        if request.headers.get("Authorization") == "Bearer t" and request.method in ("GET", "HEAD"):
            return None
        challenge = f'Bearer realm="http://{guard.host}/token",service="s"'
        return Spoiled(status=401, headers={"WWW-Authenticate": challenge})

    return answer


def test_a_registry_need_not_say_how_long_a_layer_is(build: Builds, gate: Gate) -> None:
    build()
    gate.spoil = lambda request: (
        Spoiled(status=200) if request.method == "HEAD" and "/cache/blobs/" in request.path else None
    )
    assert build().cached == 5


def test_docker_hub_has_no_repository_below_another(build: Builds, caplog: pytest.LogCaptureFixture) -> None:
    for given in ("", "team/app/cache", "registry.example.com"):
        caplog.clear()
        build(destinations=("team/app",), no_push=True, cache_repo=given, cache_mounts_repo=given)
        assert len(warnings(caplog)) == 1 + bool(given)
        assert "name a repository by --cache-repo" in caplog.text


def test_a_layer_that_breaks_off_on_its_way_is_made_again(
    build: Builds, own: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with running_gate(own.host) as breaking:
        cache = f"{breaking.host}/cache"
        build(cache_repo=cache)
        breaking.spoil = lambda request: (
            Spoiled(status=500) if request.method == "GET" and "/blobs/" in request.path else None
        )
        caplog.clear()
        image = build.image(cache_repo=cache)
    assert read(image, "w/two") == "one\nmain\n"
    assert warnings(caplog)
