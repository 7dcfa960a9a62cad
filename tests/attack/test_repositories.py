"""Git repositories by attackers, added and built from."""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.git import WHY_NO_GIT, git, make_repository, smart_http
from support.hostile_git import (
    KINDS,
    OFFSET_DELTA,
    REFERENCE_DELTA,
    commit,
    entry,
    hostile_git,
    identity,
    number,
    objects,
    pack,
    tree,
)
from support.site import Site
from support.trees import describe
from yadokari_builder.errors import BuilderError, ContextError, DownloadError

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a build is root's"),
    # dulwich leaves a socket to the garbage collector where a server refuses.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("outside")
    return Site(tmp_path / "site", "127.0.0.1:1")


def refusal(site: Site, url: str) -> str:
    """Add what cannot be added; returns why, which takes no time and changes nothing."""
    before = describe(site.folder.parent / "outside"), sorted(os.listdir(site.folder.parent))
    started = time.monotonic()
    with pytest.raises((ContextError, DownloadError)) as caught:
        site.build(f"FROM scratch\nADD {url} /added/\n", image_unpack_limit=5 << 20)
    assert time.monotonic() - started < 120
    assert (describe(site.folder.parent / "outside"), sorted(os.listdir(site.folder.parent))) == before
    why = str(caught.value)
    assert why.replace("\n", "").isprintable()
    assert len(why) < 1000
    assert caught.value.line == 2
    return why


BLOB = b"content"
FILE = identity("blob", BLOB)
SOUND = tree((b"100644", b"f", FILE))
ROOT = identity("tree", SOUND)


def repository(listing: bytes, *more: bytes) -> tuple[bytes, bytes]:
    """Return the commit of a tree, and a pack of it, of a file's content and of more."""
    head = commit(identity("tree", listing))
    return identity("commit", head), pack([*objects(commit=head, tree=listing, blob=BLOB), *more])


@pytest.mark.parametrize(
    "name",
    [b"..", b".", b".git", b".GiT", b"../outside/file", b"/etc/passwd", b"a/b", b"", b"n" * 300],
)
@pytest.mark.parametrize("mode", [b"100644", b"120000", b"40000", b"160000"])
def test_no_name_in_a_tree_leads_out_of_it(site: Site, name: bytes, mode: bytes) -> None:
    head, packed = repository(tree((mode, name, FILE)))
    with hostile_git(head, packed) as address:
        refusal(site, f"{address}/x.git")


@pytest.mark.parametrize("order", ["link first", "folder first"])
def test_no_file_is_written_through_a_link_of_the_same_tree(site: Site, order: str) -> None:
    target = str(site.folder.parent / "outside").encode()
    inner = tree((b"100644", b"file", FILE))
    entries = [(b"120000", b"d", identity("blob", target)), (b"40000", b"d", identity("tree", inner))]
    listing = tree(*(entries if order == "link first" else reversed(entries)))
    head, packed = repository(listing, *objects(blob=target, tree=inner))
    before = describe(site.folder.parent / "outside")
    with hostile_git(head, packed) as address:
        site.build(f"FROM scratch\nADD {address}/x.git /added/\n")
    assert describe(site.folder.parent / "outside") == before


@pytest.mark.parametrize("mode", [b"777777777777", b"-1", b"abc", b""])
def test_a_mode_that_is_none_is_refused(site: Site, mode: bytes) -> None:
    head, packed = repository(tree((mode, b"f", FILE)))
    with hostile_git(head, packed) as address:
        assert "what the server sent is broken" in refusal(site, f"{address}/x.git")


LINKS = {"empty": b"", "long": b"x" * 5000, "with a zero byte": b"a\0b"}


@pytest.mark.parametrize("what", LINKS)
def test_a_link_that_cannot_be_is_refused(site: Site, what: str) -> None:
    listing = tree((b"120000", b"l", identity("blob", LINKS[what])))
    head, packed = repository(listing, *objects(blob=LINKS[what]))
    with hostile_git(head, packed) as address:
        refusal(site, f"{address}/x.git")


COMMITS = {
    "empty": b"",
    "no commit": b"garbage",
    "no tree": b"tree zz\n\n",
    "a file for a tree": commit(FILE),
    "a tree that is not there": commit(b"\1" * 20),
}


@pytest.mark.parametrize("what", COMMITS)
def test_a_commit_that_is_none_is_refused(site: Site, what: str) -> None:
    packed = pack(objects(commit=COMMITS[what], tree=SOUND, blob=BLOB))
    with hostile_git(identity("commit", COMMITS[what]), packed) as address:
        refusal(site, f"{address}/x.git")


def test_tags_of_tags_without_end_are_not_followed(site: Site) -> None:
    tags, found, kind = [], identity("commit", commit(ROOT)), "commit"
    for _ in range(500):
        tag = b"object %b\ntype %b\ntag t\ntagger a <b> 1 +0000\n\nx" % (found.hex().encode(), kind.encode())
        found, kind = identity("tag", tag), "tag"
        tags.append(entry(KINDS["tag"], tag))
    packed = pack([*objects(commit=commit(ROOT), tree=SOUND, blob=BLOB), *tags])
    with hostile_git(found, packed) as address:
        assert "is no commit" in refusal(site, f"{address}/x.git")


HEAD, WHOLE = repository(SOUND)
_DELTA = number(10) + number(10) + b"\x90\x0a"
_LARGE = b"a" * 65535
PACKS = {
    "nothing": b"",
    "no pack": b"hello" * 100,
    "cut off": WHOLE[:-30],
    "a wrong sum": WHOLE[:-1] + b"x",
    "more than it says": WHOLE[:8] + (1).to_bytes(4) + WHOLE[12:],
    "less than it says": WHOLE[:8] + (9).to_bytes(4) + WHOLE[12:],
    "four thousand million objects": WHOLE[:8] + b"\xff" * 4 + WHOLE[12:],
    "objects of no kind": pack([entry(0, b"x"), entry(5, b"x")]),
    "an object larger than it says": pack([entry(KINDS["blob"], bytes(50 << 20), size=10)]),
    "an object of 2^60 bytes": pack([entry(KINDS["blob"], b"x", size=1 << 60)]),
    "a difference from itself": pack([entry(REFERENCE_DELTA, _DELTA, base=HEAD)]),
    "a difference from what is not there": pack([entry(REFERENCE_DELTA, _DELTA, base=b"\3" * 20)]),
    "a difference from before the start": pack([entry(OFFSET_DELTA, _DELTA, base=b"\xff\xff\x7f")]),
    "a difference from where it is": pack([entry(OFFSET_DELTA, _DELTA, base=b"\0")]),
    "a difference that makes 2^50 bytes": pack(
        [
            entry(KINDS["blob"], _LARGE),
            entry(REFERENCE_DELTA, number(65535) + number(1 << 50), base=identity("blob", _LARGE)),
        ]
    ),
    "another commit": pack(objects(commit=commit(FILE), blob=BLOB)),
    "a commit without what it is of": pack(objects(commit=commit(ROOT))),
}


@pytest.mark.parametrize("what", PACKS)
def test_a_pack_of_any_kind_is_refused_in_words(site: Site, what: str) -> None:
    with hostile_git(HEAD, PACKS[what]) as address:
        refusal(site, f"{address}/x.git")


def test_a_pack_that_does_not_end_is_given_up(site: Site) -> None:
    noise = entry(KINDS["blob"], os.urandom(3 << 20))
    with hostile_git(HEAD, pack([noise, noise])) as address:
        assert "--image-unpack-limit" in refusal(site, f"{address}/x.git")


NAMES = st.sampled_from([b"f", b"g", b"..", b".git", b".gitmodules", b"a/b", b"../../outside/file", b"\xff"])
MODES = st.sampled_from([b"100644", b"100755", b"120000", b"40000", b"160000", b"100000", b"20644", b"0"])
BLOBS = st.sampled_from(
    [BLOB, b"../../outside", b"/", b"..", b'[submodule "m"]\n\tpath = g\n\turl = ../../outside\n']
)


@st.composite
def repositories(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A commit and a pack: trees of trees, of files and of what is neither, with bytes changed or cut off."""
    contents = draw(st.lists(BLOBS, min_size=1, max_size=3))
    entries = objects(blob=BLOB) + [entry(KINDS["blob"], content) for content in contents]
    known = [identity("blob", content) for content in contents]
    listing = b""
    for _ in range(draw(st.integers(1, 3))):
        names = draw(st.lists(st.one_of(NAMES, st.binary(max_size=4)), min_size=1, max_size=4))
        modes = st.one_of(MODES, st.binary(max_size=6))
        listing = tree(*((draw(modes), name, draw(st.sampled_from(known))) for name in names))
        entries += objects(tree=listing)
        known.append(identity("tree", listing))
    head = commit(known[-1], draw(st.sampled_from([b"", b"parent x\n", b"tree \xff\n"])))
    packed = bytearray(pack([*entries, *objects(commit=head)])[:-20])
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        packed[draw(st.integers(0, len(packed) - 1))] = draw(st.integers(0, 255))
    packed += hashlib.sha1(packed).digest()
    return identity("commit", head), bytes(packed[: draw(st.sampled_from([None, None, None, -1, 50]))])


@pytest.mark.long
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(repositories(), st.booleans())
def test_no_repository_does_worse_than_an_error(repository: tuple[bytes, bytes], is_kept: bool) -> None:
    with TemporaryDirectory() as folder, hostile_git(*repository) as address:
        outside = Path(folder, "outside")
        outside.mkdir()
        (outside / "file").write_text("outside")
        (Path(folder) / "site").mkdir()
        before = describe(outside), sorted(os.listdir(folder))
        kept = "--keep-git-dir=true" if is_kept else ""
        with suppress(BuilderError):
            Site(Path(folder, "site"), "127.0.0.1:1").build(
                f"FROM scratch\nADD {kept} {address}/x.git /added/\n", image_unpack_limit=5 << 20
            )
        assert (describe(outside), sorted(os.listdir(folder))) == before


@pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)
@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch {outside}/made'",
        "file://{outside}",
        "{outside}",
        "ssh://a@127.0.0.1:1/x.git",
        "ssh://a:b@127.0.0.1/x.git",
        "ssh://[",
        "ssh://-oProxyCommand=touch {outside}/made/x.git",
        "ssh://a@-oProxyCommand=touch%20{outside}%2fmade/x.git",
        "-oProxyCommand=touch {outside}/made",
        "ftp://127.0.0.1/x.git",
        "http://",
        "http://[",
        "\\u001b[31m",
        "",
    ],
)
def test_submodules_are_fetched_over_the_network_alone(site: Site, tmp_path: Path, url: str) -> None:
    project = make_repository(tmp_path / "served/project.git")
    path = url.format(outside=tmp_path / "outside").replace('"', "")
    (project / ".gitmodules").write_text(f'[submodule "m"]\n\tpath = m\n\turl = "{path}"\n')
    git(project, "add", "-A")
    head = git(project, "rev-parse", "HEAD")
    git(project, "update-index", "--add", "--cacheinfo", f"160000,{head},m")
    git(project, "commit", "-qm", "module")
    with smart_http(tmp_path / "served") as address:
        refusal(site, f"{address}/project.git")


@pytest.mark.parametrize("kind", ["link", "folder", "submodule", "binary", "unending"])
def test_a_list_of_submodules_that_is_none_is_refused(site: Site, kind: str) -> None:
    contents = {"link": b"/etc/passwd", "binary": b"\xff[\0]\n=" * 500, "unending": b'[submodule "' * 5000}
    content = contents.get(kind, b"")
    mode = {"link": b"120000", "folder": b"40000", "submodule": b"160000"}.get(kind, b"100644")
    named = ROOT if kind == "folder" else identity("blob", content)
    listing = tree((mode, b".gitmodules", named), (b"160000", b"m", HEAD))
    head, packed = repository(listing, *objects(blob=content, tree=SOUND))
    with hostile_git(head, packed) as address:
        why = refusal(site, f"{address}/x.git")
    assert "root:" not in why
