import pytest

from runtime.requirements import requirements

LOCK = """
[[package]]
name = "yadokari"
version = "0.1.0"
source = { editable = "." }
dependencies = [{ name = "urllib3" }]
[package.optional-dependencies]
operator = [{ name = "kopf", extra = ["dev"] }]

[[package]]
name = "urllib3"
version = "2.8.0"
sdist = { url = "https://example.org/u.tar.gz", hash = "sha256:bb" }
wheels = [{ url = "https://example.org/u.whl", hash = "sha256:aa" }]

[[package]]
name = "kopf"
version = "1.45"
dependencies = [{ name = "click" }, { name = "urllib3" }]
wheels = [{ url = "https://example.org/k.whl", hash = "sha256:cc" }]
[package.optional-dependencies]
dev = [{ name = "pyngrok" }]

[[package]]
name = "click"
version = "8.5"
wheels = [{ url = "https://example.org/c.whl", hash = "sha256:dd" }]

[[package]]
name = "pyngrok"
version = "8"
wheels = [{ url = "https://example.org/p.whl", hash = "sha256:ee" }]
"""


def test_a_requirement_names_the_version_and_all_hashes() -> None:
    assert requirements(LOCK) == "urllib3==2.8.0 --hash=sha256:aa --hash=sha256:bb\n"


def test_an_extra_brings_what_it_depends_on_and_extras_of_that() -> None:
    names = [line.split("==")[0] for line in requirements(LOCK, ["operator"]).splitlines()]
    assert names == ["click", "kopf", "pyngrok", "urllib3"]


def test_two_versions_of_a_package_are_refused() -> None:
    twice = LOCK + '[[package]]\nname = "click"\nversion = "7"\n'
    with pytest.raises(ValueError, match="click is in the lock in several versions"):
        requirements(twice)
