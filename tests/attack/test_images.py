"""Images by attackers, built upon: nothing outside of the root changes, and what is wrong is said."""

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.hostile_archives import END, content, extended, header, octal
from support.lying_registry import CONFIG, INDEX, LAYER, MANIFEST, LyingRegistry, digest_of, lying_registry
from support.site import Site
from support.trees import describe
from yadokari_builder.errors import BuilderError, ImageInvalidError, RegistryError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a build is root's")


@pytest.fixture
def registry() -> Iterator[LyingRegistry]:
    with lying_registry() as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, registry: LyingRegistry, isolation: str) -> Site:
    """A place to build in, with a file beside it that is nobody's."""
    site = Site(tmp_path / "site", registry.host, isolation=isolation)
    site.root.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("outside")
    (site.folder / "outside").symlink_to("../outside")
    return site


def outside(site: Site) -> object:
    return describe(site.folder.parent / "outside"), sorted(os.listdir(site.folder.parent))


PLAIN = "FROM {host}/app\nCOPY Dockerfile /copied\n"


def build_upon(site: Site, dockerfile: str = PLAIN, **fields: Any) -> BuilderError | None:
    """Build; returns what was wrong, if anything was."""
    before = outside(site)
    problem = None
    try:
        site.build(dockerfile.format(host=site.registry), **fields)
    except BuilderError as error:
        problem = error
    assert outside(site) == before
    assert str(problem).replace("\n", "").isprintable()
    assert len(str(problem)) < 1500
    return problem


def file(name: bytes, data: bytes = b"hostile", **fields: bytes) -> bytes:
    return header(name, size=octal(len(data)), **fields) + content(data)


UP = b"../../outside"
ESCAPES = {
    "a name that leads up": file(UP + b"/made"),
    "an absolute name that leads up": file(b"/" + UP + b"/file"),
    "a name of an extended header": extended((b"path", UP + b"/file")) + file(b"f"),
    "a link, and a file below it": header(b"l", flag=b"2", link=UP) + file(b"l/file"),
    "a link to a file, and the file": header(b"l", flag=b"2", link=UP + b"/file") + file(b"l"),
    "a link in a chain": header(b"a", flag=b"2", link=b"b/c")
    + header(b"b", flag=b"2", link=b"..")
    + file(b"a/outside/file"),
    "a folder by a link": header(b"l", flag=b"2", link=UP) + header(b"l/", flag=b"5", mode=b"0000000\0"),
    "a hard link to what is above": header(b"h", flag=b"1", link=UP + b"/file") + file(b"h"),
    "a hard link by a link": header(b"l", flag=b"2", link=UP) + header(b"h", flag=b"1", link=b"l/file"),
    "a whiteout of what is above": header(UP + b"/.wh.file"),
    "a whiteout by a link": header(b"l", flag=b"2", link=UP) + header(b"l/.wh.file"),
    "an opaque folder above": header(UP + b"/.wh..wh..opq"),
    "an opaque folder by a link": header(b"l", flag=b"2", link=UP) + header(b"l/.wh..wh..opq"),
    "a device by a link": header(b"l", flag=b"2", link=UP) + header(b"l/file", flag=b"3"),
    "a sparse file's own name": extended(
        (b"GNU.sparse.name", UP + b"/file"), (b"GNU.sparse.map", b"0,7"), (b"GNU.sparse.size", b"7")
    )
    + file(b"f"),
}


@pytest.mark.parametrize("names_only", [False, True], ids=["content", "names"])
@pytest.mark.parametrize("what", ESCAPES)
def test_no_member_of_a_layer_leaves_the_root(
    site: Site, registry: LyingRegistry, what: str, names_only: bool
) -> None:
    registry.put_image(ESCAPES[what] + END)
    problem = build_upon(site, materialize=not names_only)
    assert problem is None or (isinstance(problem, ImageInvalidError) and problem.line == 1)


@pytest.mark.parametrize("what", ESCAPES)
def test_no_member_of_an_image_that_is_copied_from_leaves_its_folder(
    site: Site, registry: LyingRegistry, what: str
) -> None:
    registry.put_image(ESCAPES[what] + file(b"wanted") + END)
    problem = build_upon(site, "FROM scratch\nCOPY --from={host}/app /wanted /\n")
    assert problem is None or (isinstance(problem, ImageInvalidError) and problem.line == 2)


@pytest.mark.parametrize(
    "path", [b"yadokari/lib/x", b"yadokari/work/aside/x", b"yadokari/.wh..wh..opq", b".wh.yadokari"]
)
def test_a_layer_does_not_reach_the_executors_folder(
    site: Site, registry: LyingRegistry, path: bytes
) -> None:
    (site.root / "yadokari/lib").mkdir(parents=True)
    (site.root / "yadokari/lib/kept").write_text("the executor's")
    registry.put_image(file(path) + END)
    build_upon(site, materialize=True)
    assert os.listdir(site.root / "yadokari/lib") == ["kept"]
    assert not list(site.root.glob("yadokari/work/aside/*"))


def test_a_link_in_an_image_leads_a_copy_from_it_nowhere(site: Site, registry: LyingRegistry) -> None:
    (site.folder.parent / "secret").write_text("of the host")
    registry.put_image(
        header(b"l", flag=b"2", link=b"/" + b"../" * 20 + str(site.folder.parent).encode()[1:]) + END
    )
    problem = build_upon(site, "FROM scratch\nCOPY --from={host}/app /l/secret /\n")
    assert '"/l/secret": not found' in str(problem)


def nested(registry: LyingRegistry) -> None:
    said = registry.put_image(file(b"f") + END)
    for _ in range(9):
        said = registry.put(
            json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [said]}).encode(), INDEX
        )
    registry.held["latest"] = registry.held[said["digest"]]


def both(registry: LyingRegistry) -> None:
    registry.put_image(file(b"f") + END, manifest={"manifests": []})


def other_content(registry: LyingRegistry) -> None:
    registry.put_image(file(b"f") + END, config={"rootfs": {"type": "layers", "diff_ids": [digest_of(b"x")]}})


def other_count(registry: LyingRegistry) -> None:
    registry.put_image(file(b"f") + END, config={"rootfs": {"type": "layers", "diff_ids": []}})


def other_blob(registry: LyingRegistry) -> None:
    registry.put_image(file(b"f") + END)
    for name, (data, kind) in registry.held.items():
        if kind == LAYER:
            registry.held[name] = (data[:-8] + b"12345678", kind)


def longer_blob(registry: LyingRegistry) -> None:
    registry.put_image(file(b"f") + END)
    for name, (data, kind) in registry.held.items():
        if kind == LAYER:
            registry.held[name] = (data + b"more", kind)


def other_config(registry: LyingRegistry) -> None:
    registry.put_image(file(b"f") + END)
    for name, (data, kind) in registry.held.items():
        if kind == CONFIG:
            registry.held[name] = (data.replace(b"amd64", b"arm64"), kind)


def endless_config(registry: LyingRegistry) -> None:
    registry.put_image(file(b"f") + END, config={"x": "y" * (9 << 20)})


def negative_size(registry: LyingRegistry) -> None:
    wrong = {"mediaType": LAYER, "digest": digest_of(b""), "size": -1}
    registry.put_image(manifest={"layers": [wrong]})


def strange_digest(registry: LyingRegistry) -> None:
    wrong = {"mediaType": LAYER, "digest": "sha256:../../../../etc/passwd", "size": 1}
    registry.put_image(manifest={"layers": [wrong]})


def no_object(registry: LyingRegistry) -> None:
    registry.put(b"[" * 100_000, MANIFEST, "latest")


def duplicate_keys(registry: LyingRegistry) -> None:
    registry.put(b'{"schemaVersion":2,"config":{},"layers":[],"layers":1}', MANIFEST, "latest")


def cut_off(registry: LyingRegistry) -> None:
    registry.put_image(header(b"f", size=octal(5000)) + bytes(512))


def no_archive(registry: LyingRegistry) -> None:
    registry.put_image(b"no archive" * 1000)


def wrong_sum(registry: LyingRegistry) -> None:
    registry.put_image(header(b"f")[:-1] + b"x" + END)


LIES: dict[str, Callable[[LyingRegistry], None]] = {
    made.__name__: made
    for made in (
        nested, both, other_content, other_count, other_blob, longer_blob, other_config, endless_config,
        negative_size, strange_digest, no_object, duplicate_keys, cut_off, no_archive, wrong_sum,
    )
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_an_image_that_lies_is_refused_in_words(site: Site, registry: LyingRegistry, lie: str) -> None:
    LIES[lie](registry)
    problem = build_upon(site, materialize=True)
    assert isinstance(problem, ImageInvalidError | RegistryError), problem
    assert "app" in str(problem)


ESCAPE = "\x1b[31m\x07\n"
CONFIGS: dict[str, dict[str, Any]] = {
    "user": {"User": f"a{ESCAPE}"},
    "folder": {"WorkingDir": f"/../../outside/{ESCAPE}"},
    "zero bytes": {"Env": ["A=a\0b"], "WorkingDir": "/a\0b"},
    "no names": {"Env": ["=x", "A", "", f"{ESCAPE}=1"]},
    "triggers": {"OnBuild": [f"RUN {ESCAPE}", "FROM x", "COPY --from=0 / /", "\0"]},
    "nested triggers": {"OnBuild": ["ONBUILD " * 3000 + "RUN true"]},
    "wrong kinds": {"Env": {"a": 1}, "Labels": [1], "User": 5},
    "numbers": {"User": "9" * 5000},
    "shell": {"Shell": [], "Entrypoint": ["\0"]},
    "surrogates": {"Labels": {"\ud800": "\udfff"}, "Env": ["A=\ud800"]},
}


@pytest.mark.parametrize("what", CONFIGS)
def test_a_config_of_any_kind_is_taken_or_refused_in_words(
    site: Site, registry: LyingRegistry, what: str
) -> None:
    registry.put_image(file(b"f") + END, config={"config": CONFIGS[what]})
    problem = build_upon(site, "FROM {host}/app\nWORKDIR below\nCOPY Dockerfile .\nRUN true\n")
    assert problem
    assert problem.reason.exit_code in (10, 11, 15), problem
    assert not (site.folder.parent / "outside/below").exists()


def test_a_file_that_is_a_device_or_has_rights_stays_what_it_is_or_is_told_of(
    site: Site, registry: LyingRegistry
) -> None:
    nodes = header(b"pipe", flag=b"6") + header(b"disk", flag=b"4", major=octal(8, 8))
    registry.put_image(file(b"suid", mode=b"0004755\0") + nodes + END)
    assert build_upon(site, "FROM {host}/app\nCOPY --from={host}/app / /again/\n") is None


def test_members_without_number_take_bounded_memory_and_end_at_the_limit(
    site: Site, registry: LyingRegistry
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(3000):
            archive.addfile(tarfile.TarInfo(f"{number}"))
    registry.put_image(buffer.getvalue())
    problem = build_upon(site, materialize=True, image_unpack_limit=1 << 20)
    assert "--image-unpack-limit" in str(problem)
