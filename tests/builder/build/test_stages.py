"""Stages, built step by step."""

import logging
import os
import re
from pathlib import Path

import pytest

from support.handmade import make_image, push
from support.registry import Registry
from support.site import Site, members, text_in
from yadokari_builder.errors import BuilderError, ContextError, RunError


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said, without times and sizes."""
    return [re.sub(r"[0-9.]+s\b|[0-9.]+ k?B", "…", message) for message in caplog.messages]


@pytest.fixture(autouse=True)
def _everything_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_each_step_that_changes_files_has_a_layer(site: Site) -> None:
    built = site.build(
        "FROM busybox\nRUN echo hello > /greeting\nENV A=b\nRUN true\nWORKDIR /w\nCOPY Dockerfile .\n"
    )
    assert built.names == [["greeting"], None, None, ["w"], ["w", "w/Dockerfile"]]
    assert site.progress.done == site.progress.total == 6


def test_steps_see_what_those_before_them_did(site: Site) -> None:
    built = site.build(
        "FROM busybox\nENV A=b\nRUN echo $A > /a\n"
        "COPY <<two /two\n2\ntwo\nRUN cat /a /two > /all && rm /two\n"
    )
    assert built.names[-1] == [".wh.two", "all"]
    assert text_in(built.made[-1].file, "all") == "b\n2\n"


def test_a_folder_that_is_made_anew_as_it_was_is_in_no_layer_whatever_inode_it_gets(site: Site) -> None:
    built = site.build(
        "FROM busybox\nRUN mkdir -p /d/e\nRUN rm -rf /d && mkdir -p /d/e\n"
        "RUN mkdir /between && rm -rf /d && mkdir -p /d/e && rmdir /between\n"
        "RUN mv /d /old && mkdir -p /d/e && rm -rf /old\nRUN rm -rf /d && mkdir /d && touch /d/f\n"
    )
    assert built.names == [["d", "d/e"], None, None, None, ["d", "d/.wh.e", "d/f"]]


def test_layers_are_told_of_in_their_order_as_they_are_made(site: Site) -> None:
    built = site.build("FROM busybox AS a\nRUN echo a > /a\nFROM a\nRUN echo b > /b\nRUN echo c > /c\n")
    assert [sorted(members(layer.file)) for layer in built.made] == [["a"], ["b"], ["c"]]


def test_a_stage_whose_layers_nobody_wants_has_none(site: Site) -> None:
    built = site.build("FROM busybox AS a\nRUN echo a > /a\nFROM scratch\nCOPY --from=a /a /copied\n")
    assert [step.layer for step in built.finished[0]] == [None]
    assert [sorted(members(layer.file)) for layer in built.made] == [["copied"]]


def test_a_stages_steps_can_have_one_layer_together(site: Site) -> None:
    built = site.build(
        "FROM busybox AS a\nRUN echo a > /a\nRUN echo b > /b\nENV A=b\n"
        "FROM a\nCOPY Dockerfile /\nRUN rm /a\nENV B=c\n",
        single_snapshot=True,
    )
    assert [bool(step.layer) for step in built.finished[0]] == [False, True, False]
    assert [sorted(members(layer.file)) for layer in built.made] == [["a", "b"], [".wh.a", "Dockerfile"]]
    assert built.names == [None, [".wh.a", "Dockerfile"], None]


def test_a_stage_of_one_layer_that_copies_into_scratch_has_it(site: Site) -> None:
    built = site.build("FROM scratch\nCOPY Dockerfile /\n", single_snapshot=True)
    assert built.names == [["Dockerfile"]]


def test_stages_that_start_from_one_do_not_see_each_other(site: Site) -> None:
    built = site.build(
        "FROM busybox AS base\nRUN echo base > /file\n"
        "FROM base AS a\nRUN echo a >> /file\n"
        "FROM base AS b\nRUN echo b >> /file\n"
        "FROM scratch\nCOPY --from=base /file /0\nCOPY --from=a /file /1\nCOPY --from=b /file /2\n"
    )
    assert [text_in(layer.file, str(n)) for n, layer in enumerate(built.made)] == [
        "base\n",
        "base\na\n",
        "base\nb\n",
    ]


def test_nothing_is_left_of_stages_that_no_later_one_needs(site: Site) -> None:
    site.build(
        "FROM busybox AS a\nRUN echo a > /a\nFROM busybox AS b\nCOPY --from=a /a /\n"
        "FROM b AS c\nRUN echo c > /c\nFROM scratch\nCOPY --from=c /c /\n"
    )
    left = [path.name for path in (site.root / "yadokari/work/aside").iterdir()]
    assert [name.partition(".")[0] for name in left] == ["stage2"], (
        "those that the last stage reads are left to the container's end"
    )
    assert sorted(path.name for path in site.root.iterdir()) == ["c", "yadokari"]


def test_a_stage_that_the_target_does_not_need_is_not_built(site: Site) -> None:
    built = site.build("FROM busybox AS a\nRUN exit 1\nFROM scratch\nCOPY Dockerfile /\n")
    assert list(built.finished) == [1]


def test_nothing_of_a_base_is_unpacked_where_no_step_needs_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.build("FROM busybox\nENV A=b\n")
    assert not (site.root / "bin").exists()
    assert told(caplog)[-4:] == ["STEP 1/2 FROM busybox", "  done in …", "STEP 2/2 ENV A=b", "  done in …"]


def test_names_alone_are_unpacked_where_they_are_enough(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    built = site.build("FROM busybox\nCOPY --chown=root Dockerfile /tmp/\n")
    assert (site.root / "bin/busybox").stat().st_size == 0
    assert (site.root / "etc/passwd").stat().st_size > 0
    assert built.names == [["tmp", "tmp/Dockerfile"]]
    assert "  done in …: the names in 1 layer unpacked" in told(caplog)


@pytest.fixture
def base_with_linked_accounts(registry: Registry, site: Site, name: str, tmp_path: Path) -> str:
    """An image in which a user is known by a link alone, so that names do not tell it."""
    base = f"{registry.host}/{name}"
    Site(tmp_path / "base", site.registry).session(
        "FROM busybox\nRUN echo me:x:7:8::/: > /usr/accounts && ln -sf ../usr/accounts /etc/passwd\n",
        destinations=(base,),
    ).run()
    return base


AGAIN = "a copied link leads to the base's accounts, so all of its content is needed: again"


def test_a_base_whose_accounts_are_behind_a_link_is_unpacked_whole_after_all(
    site: Site, base_with_linked_accounts: str, caplog: pytest.LogCaptureFixture
) -> None:
    built = site.build(f"FROM {base_with_linked_accounts}\nWORKDIR /w\nCOPY --chown=me Dockerfile .\n")
    assert AGAIN in told(caplog)
    file = built.layers[-1]["w/Dockerfile"] if built.layers[-1] else pytest.fail("there is no layer")
    assert (file.uid, file.gid) == (7, 8)
    assert site.progress.done == site.progress.total == 3
    assert built.names == [
        ["w"],
        ["w", "w/Dockerfile"],
    ]


def test_stages_that_were_done_are_built_again_where_names_are_not_enough_for_a_later_one(
    site: Site, base_with_linked_accounts: str, caplog: pytest.LogCaptureFixture
) -> None:
    built = site.build(
        f"FROM {base_with_linked_accounts} AS one\nCOPY Dockerfile /1\n"
        "FROM one AS two\nCOPY Dockerfile /2\nFROM two\nCOPY --chown=me Dockerfile /3\n"
    )
    assert told(caplog).count(AGAIN) == 1
    assert [bool(step.layer) for index in range(3) for step in built.finished[index]] == [True] * 3
    assert built.names == [["3"]]
    assert len(built.image.layers) == 5
    assert (site.root / "3").stat().st_uid == 7
    assert all((site.root / name).read_bytes() for name in ("1", "2", "bin/busybox"))
    assert site.progress.done == site.progress.total == 6


def test_a_step_that_fails_is_blamed_and_not_counted(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RunError, match="exit code: 7") as caught:
        site.build("FROM busybox\nRUN echo a > /a\n\nRUN printf 'last words'; exit 7\nRUN true\n")
    assert (caught.value.file, caught.value.line, caught.value.log_tail) == ("Dockerfile", 4, "last words")
    assert (site.progress.done, site.progress.total) == (2, 4)
    assert told(caplog)[-2:] == ["STEP 3/4 RUN printf 'last words'; exit 7", "last words"]


def test_a_step_that_misses_a_file_is_blamed(site: Site) -> None:
    with pytest.raises(ContextError, match='"/missing": not found') as caught:
        site.build("FROM scratch\nCOPY missing /\n")
    assert caught.value.line == 2


def test_a_base_that_is_not_what_it_says_is_blamed_on_its_line(
    site: Site, registry: Registry, name: str, tmp_path: Path
) -> None:
    # A registry keeps a blob once for all: this one is of this test alone.
    made = make_image(tmp_path / "made", {"a": os.urandom(1000)})
    push(made, f"{registry.host}/{name}")
    hex_digest = made.layers[0].layer.descriptor.digest.hex
    (blob,) = registry.storage.glob(f"**/blobs/sha256/*/{hex_digest}/data")
    blob.write_bytes(bytes(blob.stat().st_size))
    with pytest.raises(BuilderError, match=f"{hex_digest} is wrong") as caught:
        site.build(f"# a comment\nFROM {registry.host}/{name}\nRUN true\n")
    assert caught.value.line == 2


def test_a_layer_that_cannot_be_packed_is_blamed_on_its_step(site: Site) -> None:
    with pytest.raises(BuilderError, match=r"gone/.*: No such file or directory") as caught:
        site.build("FROM busybox\nRUN echo a > /a\nRUN true\n", layers=site.folder / "gone")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    "name", ["aside", "aside/stage0.0", "staging", "shelter", "layers", "blobs", "caches"]
)
def test_a_step_that_deletes_what_the_build_needs_is_blamed(site: Site, name: str) -> None:
    with pytest.raises(RunError, match=f"the step deleted /yadokari/work/{name}, which is needed") as caught:
        site.build(
            "FROM busybox\nRUN echo a > /a\nFROM busybox\n"
            f"RUN --mount=type=cache,target=/c rm -r /yadokari/work/{name}; test ! -e /yadokari/work/{name}\n"
            "COPY --from=0 /a /\n"
        )
    assert caught.value.line == 4


def test_a_large_layer_is_packed_while_the_next_step_runs(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.context.mkdir()
    (site.context / "large").write_bytes(os.urandom(4_000_000))
    built = site.build("FROM busybox\nCOPY large /\nRUN rm /large\nENV A=b\n")
    assert built.names == [["large"], [".wh.large"], None]
    assert built.layers[0]
    assert built.layers[0]["large"].size == 4_000_000
    messages = [re.sub(r"[0-9.]+ MB", "…", message) for message in told(caplog)]
    assert "  done in …: its layer is packed meanwhile" in messages
    assert "  STEP 2/4: layer of …" in messages


def test_what_goes_wrong_with_a_layer_beside_the_build_is_blamed_on_its_step(site: Site) -> None:
    site.context.mkdir()
    (site.context / "large").write_bytes(os.urandom(4_000_000))
    with pytest.raises(BuilderError, match=r"gone/.*: No such file or directory") as caught:
        site.build("FROM busybox\nCOPY large /\nRUN true\nRUN true\n", layers=site.folder / "gone")
    assert caught.value.line == 2


def test_the_first_run_of_an_image_from_scratch_sees_what_was_copied(site: Site) -> None:
    built = site.build(
        "FROM busybox AS tools\nFROM scratch\nCOPY --from=tools /bin/busybox /bin/sh\nRUN echo a > /a\n"
    )
    assert built.names == [["bin", "bin/sh"], ["a"]]


@pytest.mark.parametrize("single_snapshot", [False, True])
def test_a_path_that_no_layer_can_hold_is_the_steps_fault(site: Site, single_snapshot: bool) -> None:
    deep = "deep=$(for i in $(seq 20); do printf %0200d/ 0; done) && mkdir -p /a/$deep /b/$deep"
    with pytest.raises(RunError, match="a path is left that is longer than the system can name") as caught:
        site.build(f"FROM busybox\nRUN {deep} && mv /a /b/$deep\n", single_snapshot=single_snapshot)
    assert caught.value.line == 2


@pytest.mark.parametrize("single_snapshot", [False, True])
def test_a_secret_in_the_image_is_warned_of_by_step_and_path_and_never_shown(
    site: Site, caplog: pytest.LogCaptureFixture, single_snapshot: bool
) -> None:
    (site.folder / "token").write_text("hunter2-hunter2\n")
    site.build(
        "FROM busybox\n"
        "RUN --mount=type=secret,id=token grep -q hunter /run/secrets/token && echo fine > /fine\n"
        "RUN --mount=type=secret,id=token,env=T echo url=https://user:$T@host > /config\n"
        "RUN rm /config\n",
        secrets=(f"id=token,src={site.folder}/token",),
        single_snapshot=single_snapshot,
    )
    warnings = [message for message in caplog.messages if "secret" in message and "STEP" not in message]
    if single_snapshot:
        assert warnings == []
    else:
        (warning,) = warnings
        assert warning.startswith("Dockerfile:3: the value of the secret token is in the image, in /config:")
    assert "hunter2" not in caplog.text


def test_a_secret_in_a_stage_that_is_not_the_image_is_no_leak(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    (site.folder / "token").write_text("hunter2-hunter2\n")
    site.build(
        "FROM busybox AS one\nRUN --mount=type=secret,id=token cp /run/secrets/token /kept; echo a > /a\n"
        "FROM scratch\nCOPY --from=one /a /\nCOPY --from=one /kept /b\n",
        secrets=(f"id=token,src={site.folder}/token",),
    )
    assert [message.partition(":")[2][:1] for message in caplog.messages if "is in the image" in message] == [
        "5"
    ]
