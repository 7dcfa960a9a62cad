"""Images that are where they are to go already."""

import logging
from pathlib import Path

import pytest

from support.layout import Layout
from support.registry import Registry
from support.site import Site
from support.verbs import run_verb
from yadokari_builder.build.delivering.destinations import read_destinations
from yadokari_builder.errors import UsageError
from yadokari_contract.spec import BuildSpec

DOCKERFILE = "FROM scratch\nCOPY Dockerfile /\n"
MARK = "dev.yadokari.inputs-hash"


def test_an_image_that_is_there_is_told_and_nothing_is_built(
    site: Site, registry: Registry, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    where = (f"{registry.host}/{name}:1", f"{registry.host}/{name}:2")
    with caplog.at_level(logging.INFO):
        first = site.session(DOCKERFILE, destinations=where, inputs_hash="a", unless_pushed=True).run()
    assert not first.already_pushed
    assert f"{where[0]} is not there yet: it is built" in caplog.messages
    assert Layout.pull(where[0], tmp_path / "pulled").config["config"]["Labels"] == {MARK: "a"}
    digest_file = tmp_path / "digest"
    again = site.session(
        "FROM missing\n",
        destinations=where,
        inputs_hash="a",
        unless_pushed=True,
        digest_file=str(digest_file),
    ).run()
    assert (again.already_pushed, again.digest, again.size) == (True, first.digest, first.size)
    assert (again.images, again.steps, digest_file.read_text()) == (where, 0, first.digest)


@pytest.mark.parametrize("case", ["of other inputs", "not everywhere", "without the mark"])
def test_what_is_not_the_same_everywhere_is_built(
    site: Site, registry: Registry, name: str, case: str
) -> None:
    where = (f"{registry.host}/{name}:1", f"{registry.host}/{name}:2")
    mark = {"of other inputs": "b", "without the mark": ""}.get(case, "a")
    there = where[:1] if case == "not everywhere" else where
    site.session(DOCKERFILE, destinations=there, inputs_hash=mark).run()
    result = site.session(DOCKERFILE, destinations=where, inputs_hash="a", unless_pushed=True).run()
    assert (result.already_pushed, result.steps) == (False, 2)


def test_an_image_of_an_index_is_known_by_the_mark_of_that(
    site: Site, registry: Registry, name: str, tmp_path: Path
) -> None:
    where = f"{registry.host}/{name}"
    asked = {"destinations": (f"{where}:1",), "push_by_digest": True, "inputs_hash": "a"}
    built = [
        site.session(DOCKERFILE, **asked, custom_platform=f"linux/{architecture}").run().digest
        for architecture in ("amd64", "arm64")
    ]
    assert "Labels" not in Layout.pull(f"{where}@{built[1]}", tmp_path / "arm64").config["config"]
    images = [f"{where}@{digest}" for digest in built]
    indexed = run_verb("index", *images, "-d", f"{where}:1", f"--annotation={MARK}=a", "--insecure")
    assert indexed.code == 0, indexed.log
    found = site.session(DOCKERFILE, **asked, custom_platform="linux/arm64", unless_pushed=True).run()
    assert (found.already_pushed, found.digest, found.images) == (True, built[1], (images[1],))


def test_looking_takes_a_mark() -> None:
    with pytest.raises(UsageError, match="--unless-pushed takes --inputs-hash"):
        read_destinations(BuildSpec(unless_pushed=True, destinations=("a",)))
