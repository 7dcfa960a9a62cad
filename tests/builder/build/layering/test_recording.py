"""From what steps do to what is in their layers."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import pytest

from yadokari_builder.build.layering.packing import Packing
from yadokari_builder.build.layering.recording import (
    LayerPerStage,
    LayerPerStep,
    NoLayers,
    Perform,
    Recorder,
    snapshotted,
)
from yadokari_builder.copy.destination import Staged, Written
from yadokari_builder.layers.fingerprints import checksum_of_file
from yadokari_builder.layers.members import Members
from yadokari_builder.layers.snapshot import take
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.mounts.files import FileMount
from yadokari_builder.run.mounts.mounted import TmpfsMount, mounted

MOUNTS = frozenset({"/proc", "/dev", "/yadokari"})
Kind = type[LayerPerStep] | type[LayerPerStage]
KINDS = pytest.mark.parametrize("kind", [LayerPerStep, LayerPerStage])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "usr").mkdir()
    (root / "etc/hosts").write_text("hosts")
    (root / "old").write_text("old")
    return root


@pytest.fixture
def begin(root: Path, tmp_path: Path) -> Callable[..., Recorder]:
    """Makes recorders of the root, whose files are known by the layers below."""
    held = {f"/{name}": checksum_of_file(str(root / name)) for name in ("etc/hosts", "old")}

    def checksums(paths: Collection[str]) -> Mapping[str, int]:
        return {path: held[path] for path in paths if path in held}

    def make(kind: Kind, *, is_bare: bool = False, ignored: Iterable[str] = ()) -> Recorder:
        packing = Packing(tmp_path, ignored=frozenset(ignored))
        return kind(snapshotted(Boundary(root, MOUNTS), packing), packing, is_bare, checksums)

    return make


def process(act: Callable[[], object]) -> Perform:
    """Return a process without mounts."""

    def perform() -> Iterable[str]:
        act()
        return ()

    return perform


def does(root: Path, *names: str) -> Perform:
    """Return a process that writes files."""

    def write() -> None:
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)

    return process(write)


def mounting(root: Path, target: str, act: Callable[[], object] = lambda: None) -> Perform:
    """Return a process that has something mounted at a path of the root: a file where one stands there."""
    is_file = (root / target.lstrip("/")).is_file()
    mount = FileMount(target, b"mounted") if is_file else TmpfsMount(target)

    def perform() -> Iterable[str]:
        with mounted([mount], boundary=Boundary(root), shelter=str(root / "yadokari/shelter")) as placed:
            act()
        return placed.disturbed

    return perform


def names(members: Members | None) -> list[str] | None:
    return None if members is None else [member.name for member, _ in members]


def test_nobody_gathers_what_nobody_wants(root: Path) -> None:
    recorder: Recorder = NoLayers()
    assert recorder.run(does(root, "made")) is None
    assert (root / "made").exists()
    assert recorder.wrote(Written(("/made",))) is None
    assert recorder.finish() is None


def test_each_step_has_a_layer_of_what_it_changed(root: Path, begin: Callable[..., Recorder]) -> None:
    recorder = begin(LayerPerStep)
    assert names(recorder.run(does(root, "a", "usr/b"))) == ["a", "usr/", "usr/b"]
    assert names(recorder.run(process((root / "old").unlink))) == [".wh.old"]
    assert names(recorder.run(does(root, "a"))) == ["a"]
    assert recorder.finish() is None


def test_a_step_that_changes_nothing_has_no_layer(root: Path, begin: Callable[..., Recorder]) -> None:
    recorder = begin(LayerPerStep)
    assert recorder.run(process(list)) is None
    assert recorder.run(process(lambda: os.chmod(root / "old", 0o644))) is None
    assert recorder.wrote(Written(())) is None
    assert recorder.wrote(Written(("/", "/dev/null"))) is None


def test_what_is_known_to_be_written_is_in_a_layer_and_nothing_else_is_looked_for(
    root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(LayerPerStep)
    does(root, "usr/copied", "unrelated")()
    assert names(recorder.wrote(Written(("/usr/copied",)))) == ["usr/", "usr/copied"]


def test_what_was_written_between_two_processes_is_not_the_second_ones(
    root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(LayerPerStep)
    recorder.run(does(root, "a"))
    does(root, "copied/file")()
    recorder.wrote(Written(("/copied", "/copied/file")))
    assert names(recorder.run(does(root, "b"))) == ["b"]


@KINDS
def test_the_first_process_of_a_bare_stage_gets_the_places_to_mount_on(
    kind: Kind, root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(kind, is_bare=True)
    first, second = (recorder.run(does(root, name)) for name in "ab")
    per_step = [["a", "dev/", "proc/"], ["b"]]
    if kind is LayerPerStep:
        assert [names(first), names(second)] == per_step
    else:
        assert (first, second) == (None, None)
        assert names(recorder.finish()) == ["a", "b", "dev/", "proc/"]


def test_a_root_that_is_known_as_it_was_found_is_not_looked_at_again(
    root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(LayerPerStep)
    assert isinstance(recorder, LayerPerStep)
    recorder.begin(take(recorder.boundary))
    # Nobody but a step makes anything; this one would not be seen by who looks again.
    does(root, "since")()
    assert names(recorder.run(does(root, "a"))) == ["a", "since"]
    assert names(recorder.run(does(root, "b"))) == ["b"]
    recorder.close()


@KINDS
def test_a_stage_that_copies_alone_or_has_a_base_gets_no_places_to_mount_on(
    kind: Kind, root: Path, begin: Callable[..., Recorder]
) -> None:
    bare, based = begin(kind, is_bare=True), begin(kind)
    does(root, "copied")()
    layers = [bare.wrote(Written(("/copied",))), bare.finish(), based.run(does(root, "a")), based.finish()]
    found = [names(layer) for layer in layers if layer]
    assert found == ([["copied"], ["a"]] if kind is LayerPerStep else [["copied"], ["a", "copied"]])


@KINDS
def test_what_is_ignored_or_not_the_images_is_in_no_layer(
    kind: Kind, root: Path, begin: Callable[..., Recorder], tmp_path: Path
) -> None:
    recorder = begin(kind, ignored=["/var/run"])
    layers = [
        recorder.run(does(root, "var/run/pid", "var/kept", "proc/x", "yadokari/x")),
        recorder.wrote(Written(("/var/run/copied",), (Staged("/var/run/staged", tmp_path),))),
        recorder.finish(),
    ]
    assert [names(layer) for layer in layers if layer] == [["var/", "var/kept"]]


@KINDS
def test_what_had_to_be_put_elsewhere_is_in_the_layer_at_its_place(
    kind: Kind, root: Path, begin: Callable[..., Recorder], tmp_path: Path
) -> None:
    (tmp_path / "null").write_text("staged")
    recorder = begin(kind)
    does(root, "copied")()
    written = Written(("/copied",), (Staged("/dev/null", tmp_path / "null"),))
    members = [*(recorder.wrote(written) or ()), *(recorder.finish() or ())]
    assert [(member.name, member.size) for member, _ in members] == [
        ("copied", 6),
        ("dev/", 0),
        ("dev/null", 6),
    ]


def test_a_stage_of_one_layer_has_nothing_until_it_ends_and_then_all_of_it(
    root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(LayerPerStage)
    assert recorder.run(does(root, "a", "gone", "usr/b")) is None
    does(root, "copied")()
    assert recorder.wrote(Written(("/copied",))) is None
    for name in ("gone", "old"):
        assert recorder.run(process((root / name).unlink)) is None
    assert names(recorder.finish()) == ["a", "copied", ".wh.old", "usr/", "usr/b"]


def test_a_stage_of_one_layer_that_changes_nothing_has_none(
    root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(LayerPerStage)
    recorder.run(does(root, "gone"))
    recorder.run(process((root / "gone").unlink))
    assert recorder.finish() is None


def test_what_was_put_elsewhere_and_replaced_later_is_in_the_stages_layer_once(
    root: Path, begin: Callable[..., Recorder], tmp_path: Path
) -> None:
    recorder = begin(LayerPerStage)
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
        recorder.wrote(Written((), (Staged("/dev/null", tmp_path / name),)))
    recorder.wrote(Written((), (Staged("/dev/gone", tmp_path / "missing"),)))
    members = [*(recorder.finish() or ())]
    assert [(member.name, member.size) for member, _ in members] == [("dev/", 0), ("dev/null", 6)]


@KINDS
@pytest.mark.parametrize("target", ["/old", "/usr", "/etc/hosts", "/usr/deep/down", "/new"])
def test_what_a_mount_disturbs_is_not_changed_by_it(
    kind: Kind, target: str, root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(kind)
    layers = [recorder.run(mounting(root, target)), recorder.finish()]
    assert [names(layer) for layer in layers] == [None, None]


@KINDS
def test_what_a_step_changes_beside_a_mount_is_changed(
    kind: Kind, root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(kind)
    layers = [
        recorder.run(mounting(root, "/usr/deep", lambda: os.chmod(root / "usr", 0o700))),
        recorder.finish(),
    ]
    assert [names(layer) for layer in layers if layer] == [["usr/"]]


CHANGES: Mapping[str, Callable[[Path], object]] = {
    "usr/": lambda root: os.chmod(root / "usr", 0o700),
    "old": lambda root: (root / "old").write_text("new"),
    "new": lambda root: (root / "new").write_text("made"),
    "folder/": lambda root: (root / "folder").mkdir(),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_mount_does_not_hide_what_another_step_of_the_stage_changes_at_its_place(
    name: str, when: str, root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(LayerPerStage)
    target = f"/{name}below" if name.endswith("/") else f"/{name}"
    steps = [process(lambda: CHANGES[name](root)), lambda: mounting(root, target)()]
    for step in steps if when == "before" else reversed(steps):
        recorder.run(step)
    assert names(recorder.finish()) == [name]


def test_a_file_that_was_replaced_by_another_of_its_size_and_time_is_changed_though_a_mount_hid_it(
    root: Path, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(LayerPerStage)
    times = os.stat(root / "old")

    def replace() -> None:
        (root / "old").write_text("new")
        os.utime(root / "old", ns=(times.st_atime_ns, times.st_mtime_ns))

    recorder.run(process(replace))
    recorder.run(mounting(root, "/old"))
    assert names(recorder.finish()) == ["old"]
