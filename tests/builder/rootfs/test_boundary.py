from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import parents

BOUNDARY = Boundary(Path("/"), frozenset({"/proc", "/etc/hosts", "/var/run/secrets"}))


@pytest.mark.parametrize("path", ["/proc", "/proc/1/status", "/etc/hosts", "/var/run/secrets/token"])
def test_what_is_excluded_and_everything_below_it_is(path: str) -> None:
    assert BOUNDARY.is_excluded(path)


@pytest.mark.parametrize("path", ["/", "/etc", "/etc/hosts.allow", "/process", "/var/run"])
def test_neighbours_and_parents_of_what_is_excluded_are_not(path: str) -> None:
    assert not BOUNDARY.is_excluded(path)


def test_a_directory_above_something_excluded_is_told() -> None:
    assert [BOUNDARY.has_excluded_below(path) for path in ("/", "/var", "/var/run")] == [True] * 3
    assert not BOUNDARY.has_excluded_below("/proc")
    assert not BOUNDARY.has_excluded_below("/usr")


def test_in_root_paths_are_paths_below_the_root() -> None:
    assert Boundary(Path("/tmp/root")).host("/etc") == "/tmp/root/etc"
    assert Boundary(Path("/tmp/root")).host("/") == "/tmp/root/"
    assert Boundary(Path("/")).host("/etc") == "/etc"
    assert Boundary(Path("/")).host("/") == "/"


PATHS = st.lists(st.sampled_from(["a", "ab", "b"]), max_size=4).map(lambda names: "/" + "/".join(names))


@given(PATHS, st.frozensets(PATHS, max_size=4))
def test_a_path_is_excluded_with_any_of_its_parents(path: str, excluded: frozenset[str]) -> None:
    expected = not excluded.isdisjoint({path, *parents(path)})
    assert Boundary(Path("/"), excluded).is_excluded(path) is expected
