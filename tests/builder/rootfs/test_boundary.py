from pathlib import Path

import pytest

from yadokari_builder.rootfs.boundary import Boundary

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
    assert Boundary(Path("/tmp/root")).host("/") == "/tmp/root"
    assert Boundary(Path("/")).host("/etc") == "/etc"
    assert Boundary(Path("/")).host("/") == "/"
