from pathlib import Path

import pytest

from support.contexts import opened
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.context import Context

NOTHING: frozenset[str] = frozenset()


def _open(
    location: str, base: Path, excluded: frozenset[str] = NOTHING, *, cwd: Path | None = None
) -> Context:
    return opened(location, base, cwd=cwd, excluded=excluded)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tmp_path.joinpath("root/yadokari/work").mkdir(parents=True)
    tmp_path.joinpath("context").mkdir()
    tmp_path.joinpath("context/file").write_text("F")
    return tmp_path


@pytest.mark.parametrize("form", ["dir://{}/context", "{}/context", "{}/context/", "context", "./context"])
def test_a_context_is_a_folder_by_url_or_path(base: Path, form: str) -> None:
    assert _open(form.format(base), base) == Context(base / "context")


def test_a_scheme_that_nothing_opens_is_named_with_those_that_are_known(base: Path) -> None:
    with pytest.raises(ContextError, match="there are no ftp:// contexts: name a folder, or one of dir://"):
        _open("ftp://somewhere/x", base)


def test_a_context_must_be_there_and_a_folder(base: Path) -> None:
    with pytest.raises(ContextError, match="the build context gone does not exist"):
        _open("gone", base)
    with pytest.raises(ContextError, match="the build context context/file is not a folder"):
        _open("context/file", base)
    with pytest.raises(ContextError, match="the build context has no path"):
        _open("dir://", base)


def test_a_config_map_s_volume_is_read_through_its_current_version(base: Path) -> None:
    volume = base / "volume"
    volume.joinpath("..2026_01").mkdir(parents=True)
    volume.joinpath("..2026_01/Dockerfile").touch()
    volume.joinpath("..data").symlink_to("..2026_01")
    volume.joinpath("Dockerfile").symlink_to("..data/Dockerfile")
    assert _open("volume", base) == Context(volume / "..2026_01")


@pytest.mark.parametrize("target", ["/", "..", ".", "../outside", "/proc/1", "folder", "..link", "..file"])
def test_a_link_of_that_name_that_leads_elsewhere_is_a_file_like_others(base: Path, target: str) -> None:
    base.joinpath("outside").mkdir()
    context = base / "context"
    context.joinpath("folder").mkdir()
    context.joinpath("..link").symlink_to("../outside")
    context.joinpath("..file").touch()
    context.joinpath("..data").symlink_to(target)
    assert _open("context", base) == Context(context)


def test_a_context_in_the_root_is_moved_out_of_the_way(base: Path) -> None:
    base.joinpath("root/src").mkdir()
    base.joinpath("root/src/file").write_text("F")
    context = _open("root/src", base)
    assert context.root == base / "root/yadokari/work/contexts/0"
    assert context.root.joinpath("file").read_text() == "F"
    assert not base.joinpath("root/src").exists()


@pytest.mark.parametrize("folder", ["workspace", "workspace/sub", "yadokari/work/uploaded"])
def test_a_context_on_a_mount_or_with_the_executor_stays(base: Path, folder: str) -> None:
    base.joinpath("root", folder).mkdir(parents=True)
    assert _open(f"root/{folder}", base, frozenset({"/workspace"})) == Context(base / "root" / folder)


def test_a_context_in_the_root_must_hold_no_mount(base: Path) -> None:
    base.joinpath("root/src/cache").mkdir(parents=True)
    with pytest.raises(ContextError, match="/src/cache in it is a mount"):
        _open("root/src", base, frozenset({"/src/cache"}))
    assert base.joinpath("root/src/cache").is_dir()


def test_the_root_as_context_is_what_the_user_put_there(base: Path) -> None:
    for name in ("test/Dockerfile", "etc/hosts", "etc/mine", "proc/1", "var/run/secret"):
        path = base / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    excluded = frozenset({"/proc", "/etc/hosts", "/var/run/secret"})
    context = _open(".", base, excluded, cwd=base / "root")
    found = sorted(str(path.relative_to(context.root)) for path in context.root.rglob("*"))
    assert found == ["etc", "etc/mine", "test", "test/Dockerfile"]
    left = sorted(str(path.relative_to(base / "root")) for path in (base / "root").iterdir())
    assert left == ["etc", "proc", "var", "yadokari"]
    assert base.joinpath("root/etc/hosts").exists()
    assert not base.joinpath("root/etc/mine").exists()


def test_a_folder_in_the_context_may_be_built_in_its_stead(base: Path) -> None:
    (base / "context/sub/deep").mkdir(parents=True)
    (base / "context/link").symlink_to("/sub")
    for sub_path in ("sub/deep", "/sub/deep/", "link/deep"):
        assert opened("context", base, sub_path) == Context(base / "context/sub/deep")
    for sub_path in ("", "/"):
        assert opened("context", base, sub_path) == Context(base / "context")


@pytest.mark.parametrize(
    ("sub_path", "message"),
    [
        ("gone", "--context-sub-path: gone does not exist"),
        ("file", "--context-sub-path: file is no folder in it"),
        ("../root", "--context-sub-path: ../root does not exist"),
        ("sub/../../context", "--context-sub-path: sub/../../context does not exist"),
        ("out", "--context-sub-path: out does not exist"),
        ("circle", "too many links"),
    ],
)
def test_a_sub_path_leads_to_a_folder_in_the_context(base: Path, sub_path: str, message: str) -> None:
    (base / "context/sub").mkdir()
    (base / "context/out").symlink_to("../root")
    (base / "context/circle").symlink_to("circle")
    with pytest.raises(ContextError, match=message):
        opened("context", base, sub_path)
