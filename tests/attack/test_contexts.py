"""Build contexts by attackers: their author has no say in files of the executor's, or of the machine's."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.hostile_archives import END, content, extended, header, octal
from support.site import Site
from support.trees import describe
from yadokari_builder.errors import BuilderError, ContextError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a build is root's")

SECRET = "of the machine, 7f3a"


@pytest.fixture
def site(tmp_path: Path, isolation: str) -> Site:
    """A place to build in, and a secret beside it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text(SECRET)
    (tmp_path / "site/context").mkdir(parents=True)
    return Site(tmp_path / "site", "127.0.0.1:1", isolation=isolation)


def refusal(site: Site, dockerfile: str, **fields: Any) -> str:
    """Build what cannot be built; returns why, which takes no time and shows nothing."""
    before = describe(site.folder.parent / "outside")
    started = time.monotonic()
    with pytest.raises(BuilderError) as caught:
        site.build(dockerfile, **fields)
    assert time.monotonic() - started < 120
    assert describe(site.folder.parent / "outside") == before
    assert SECRET not in str(caught.value)
    assert str(caught.value).replace("\n", "").isprintable()
    return str(caught.value)


@pytest.mark.parametrize("target", ["../../outside/secret", "{outside}/secret", "up/outside/secret"])
@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
def test_a_link_shows_no_file_of_the_machine_as_a_dockerfile(site: Site, name: str, target: str) -> None:
    (site.context / "up").symlink_to("../..")
    spec = site.spec("FROM scratch\nCOPY Dockerfile /\n")
    (site.context / name).unlink(missing_ok=True)
    (site.context / name).symlink_to(target.format(outside=site.folder.parent / "outside"))
    with pytest.raises(ContextError, match="is a link that leads out of the build context") as caught:
        site.open(spec)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_what_never_ends_is_not_read_as_a_dockerfile(site: Site, name: str) -> None:
    spec = site.spec("FROM scratch\nCOPY Dockerfile /\n")
    (site.context / name).unlink(missing_ok=True)
    os.mkfifo(site.context / name)
    started = time.monotonic()
    why = "no such file" if name == "Dockerfile" else "the ignore file .dockerignore is no file"
    with pytest.raises(ContextError, match=why):
        site.open(spec)
    assert time.monotonic() - started < 120


def test_a_dockerfile_of_any_size_is_not_held(site: Site) -> None:
    spec = site.spec("")
    os.truncate(site.context / "Dockerfile", 1 << 40)
    with pytest.raises(ContextError, match="larger than 16 MiB"):
        site.open(spec)


@pytest.mark.parametrize(
    "source", ["l/secret", "l/../secret", "/l/secret", "../outside/secret", "chain/secret"]
)
@pytest.mark.parametrize("verb", ["COPY", "ADD", "COPY --link", "COPY --parents"])
def test_links_of_a_context_lead_no_copy_out_of_it(site: Site, verb: str, source: str) -> None:
    (site.context / "l").symlink_to(site.folder.parent / "outside")
    (site.context / "chain").symlink_to("l/../outside")
    assert "not found" in refusal(
        site, f"# syntax=docker/dockerfile:1\nFROM scratch\n{verb} {source} /copied/\n"
    )


def test_a_link_that_is_copied_stays_one(site: Site) -> None:
    (site.context / "d").mkdir()
    (site.context / "d/l").symlink_to(site.folder.parent / "outside/secret")
    built = site.build("FROM scratch\nCOPY d /d\n")
    assert built.layers[0]
    assert built.layers[0]["d/l"].issym()


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_never_ends_is_copied_as_what_it_is_or_left_out(site: Site, kind: str) -> None:
    (site.context / "d").mkdir()
    place = site.context / "d/x"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        os.mknod(place, 0o20666, os.makedev(1, 5))  # /dev/zero
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
    started = time.monotonic()
    built = site.build("FROM scratch\nCOPY d /d\nCOPY d/* /e/\n")
    assert time.monotonic() - started < 120
    for layer, path in zip(built.layers, ("d/x", "e/x"), strict=True):
        assert layer is not None
        assert path not in layer or not layer[path].size


@pytest.mark.parametrize(
    "name", ["a\nb", "\x1b[31mred", "\udcff\udcfe", "n" * 255, "-rf", "*", "a b", "$x", ".wh.a"]
)
def test_names_of_any_kind_are_copied_or_refused_in_words(site: Site, name: str) -> None:
    (site.context / "d").mkdir()
    (site.context / "d" / name).write_text("x")
    built = site.build("FROM scratch\nCOPY d /d\n")
    assert built.names[0]
    assert f"d/{name}" in built.names[0] or name.startswith(".wh.")


UP = b"../../../outside"
ARCHIVES = {
    "a name that leads up": header(UP + b"/made", size=octal(1)) + content(b"x"),
    "a link, and a file below it": header(b"l", flag=b"2", link=UP)
    + header(b"l/secret", size=octal(1))
    + content(b"x"),
    "a hard link": header(b"h", flag=b"1", link=UP + b"/secret"),
    "a hard link by a link": header(b"l", flag=b"2", link=UP) + header(b"h", flag=b"1", link=b"l/secret"),
    "a link as the dockerfile": header(b"Dockerfile", flag=b"2", link=UP + b"/secret"),
    "a hard link as the dockerfile": header(b"Dockerfile", flag=b"1", link=UP + b"/secret"),
    "a pipe as the dockerfile": header(b"Dockerfile", flag=b"6"),
    "a device as the dockerfile": header(b"Dockerfile", flag=b"3", major=octal(1, 8), minor=octal(5, 8)),
    "a sparse dockerfile": extended((b"GNU.sparse.map", b""), (b"GNU.sparse.size", b"%d" % (1 << 40)))
    + header(b"Dockerfile"),
    "a number of 5,000 digits": extended((b"size", b"9" * 5000)) + header(b"Dockerfile"),
    "nothing": b"",
    "no archive": b"FROM scratch\n" * 200,
    "an end within a member": header(b"Dockerfile", size=octal(10_000)) + bytes(512),
}  # fmt: skip


@pytest.mark.parametrize("what", ARCHIVES)
def test_an_archive_as_a_context_leads_nowhere(site: Site, what: str) -> None:
    archive = site.folder / "context.tar"
    archive.write_bytes(ARCHIVES[what] + (END if what != "nothing" else b""))
    refusal(site, "", context=f"tar://{archive}")


@pytest.mark.parametrize(
    "what", [name for name in ARCHIVES if "dockerfile" not in name and name != "nothing"]
)
def test_an_archive_that_is_added_leads_nowhere(site: Site, what: str) -> None:
    (site.context / "a.tar").write_bytes(ARCHIVES[what] + END)
    before = describe(site.folder.parent / "outside")
    wrong = None
    try:
        site.build("FROM scratch\nADD a.tar /deep/enough/\n")
    except BuilderError as error:
        wrong = error
    assert describe(site.folder.parent / "outside") == before
    assert SECRET not in str(wrong)
    assert str(wrong).replace("\n", "").isprintable()


def many_words() -> str:
    return "FROM scratch\nENV " + " ".join(
        f"A{number}=$A{number - 1}$A{number - 1}" for number in range(1, 40)
    )


def exploding() -> str:
    lines = "".join(f"ARG A{number}=$A{number - 1}$A{number - 1}$A{number - 1}\n" for number in range(1, 60))
    return f"FROM scratch\nARG A0=xxxxxxxxxx\n{lines}LABEL a=$A59\n"


def deep() -> str:
    return "FROM scratch AS s0\n" + "".join(
        f"FROM s{n} AS s{n + 1}\nCOPY --from=s{n} / /\n" for n in range(1500)
    )


def circle() -> str:
    return "FROM b AS a\nFROM a AS b\nFROM scratch AS c\nCOPY --from=c / /\n"


def unending_heredoc() -> str:
    return "FROM scratch\nCOPY <<a <<b <<c /\n" + "x\n" * 100_000


def escapes() -> str:
    return "FROM \x1b[31m\x07scratch\nRUN \x1b]0;x\x07\n"


def globs() -> str:
    return "FROM scratch\nCOPY " + "*a" * 300 + " /\n"


@pytest.mark.parametrize("make", [many_words, exploding, deep, circle, unending_heredoc, escapes, globs])
def test_a_dockerfile_of_any_kind_ends_soon_and_in_words(site: Site, make: Callable[[], str]) -> None:
    (site.context / ("a" * 200)).touch()
    started = time.process_time()
    wrong = None
    try:
        site.open(site.spec(make()))
    except BuilderError as error:
        wrong = error
    assert time.process_time() - started < 20
    assert str(wrong).replace("\n", "").replace("\t", "").isprintable()
    assert len(str(wrong)) < 10_000


def test_an_ignore_file_of_any_kind_is_matched_soon(site: Site) -> None:
    for number in range(50):
        (site.context / ("a" * 200 + str(number))).touch()
    (site.context / ".dockerignore").write_text(
        "**/" + "a*" * 100 + "b\n" + "!" + "*a" * 100 + "c\n[\\\n"[:-4]
    )
    started = time.process_time()
    site.build("FROM scratch\nCOPY . /\n")
    assert time.process_time() - started < 20


def test_a_link_to_processes_shows_none(site: Site) -> None:
    (site.context / "p").symlink_to("/proc")
    assert "not found" in refusal(site, "FROM scratch\nCOPY p/self/environ /\n")
