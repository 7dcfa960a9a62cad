"""Files that a build was asked for beside the image."""

import json
import os
from pathlib import Path

import pytest

from support.registry import Registry
from support.site import Site
from yadokari_builder.build.delivering.files import require_outputs, tell
from yadokari_builder.build.options import resolve_paths
from yadokari_builder.errors import UsageError
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.tls import Trust
from yadokari_contract.spec import BuildSpec

DESTINATIONS = ("r.example:5000/team/app:v1", "debian")
DIGEST = Digest.of(b"x")
NETWORK = Network(Trust(""))
OUTPUTS = pytest.mark.parametrize(
    ("flag", "field"),
    [
        ("--digest-file", "digest_file"),
        ("--image-name-with-digest-file", "image_name_with_digest_file"),
        ("--image-name-tag-with-digest-file", "image_name_tag_with_digest_file"),
        ("--tar-path", "tar_path"),
        ("--oci-layout-path", "oci_layout_path"),
        ("BUILDER_OUTPUT", "builder_output"),
    ],
)


def spec(**fields: str) -> BuildSpec:
    return BuildSpec(destinations=DESTINATIONS, **fields)  # type: ignore[arg-type]


@OUTPUTS
def test_an_output_that_cannot_be_written_is_refused_before_the_build(
    site: Site, flag: str, field: str
) -> None:
    place = site.folder / "file" / "output"
    place.parent.write_text("in the way")
    site.root.mkdir()
    (site.root / "old").touch()
    session = site.session("FROM scratch\nCOPY Dockerfile /\n", {}, no_push=True, **{field: str(place)})
    with pytest.raises(UsageError, match=f"^{flag} {place} cannot be written: .*{place.parent}"):
        session.run()
    assert (site.root / "old").exists()


@OUTPUTS
def test_what_is_found_out_leaves_nothing_behind(tmp_path: Path, flag: str, field: str) -> None:
    require_outputs(spec(**{field: str(tmp_path / "deep" / "down" / "output")}))
    assert list(tmp_path.iterdir()) == []


def test_a_file_cannot_be_where_a_folder_is_nor_a_folder_where_a_file_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--tar-path .* Is a directory"):
        require_outputs(spec(tar_path=str(tmp_path)))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--oci-layout-path .* Not a directory"):
        require_outputs(spec(oci_layout_path=str(tmp_path / "file")))


@OUTPUTS
def test_an_address_is_no_file_but_for_the_digest(flag: str, field: str, tmp_path: Path) -> None:
    address = resolve_paths(spec(**{field: "https://example.com/digest"}), tmp_path)
    if field == "digest_file":
        require_outputs(address)
        return
    with pytest.raises(UsageError, match=f"{flag} https://example.com/digest is no file"):
        require_outputs(address)


@pytest.mark.parametrize("address", ["https://", "https://[", "http://example.com/digest"])
def test_an_address_that_cannot_be_is_refused_before_the_build(address: str) -> None:
    with pytest.raises(UsageError):
        require_outputs(spec(digest_file=address))


def test_a_pipe_is_not_opened_to_find_out_whether_it_can_be_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    require_outputs(spec(digest_file=str(tmp_path / "pipe")))


def test_a_file_of_names_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no --destination names the image"):
        require_outputs(BuildSpec(no_push=True, image_name_with_digest_file=str(tmp_path / "names")))
    require_outputs(BuildSpec(no_push=True, digest_file=str(tmp_path / "digest")))


def test_names_are_written_with_the_digest_and_with_the_tag_where_that_is_asked_for(tmp_path: Path) -> None:
    wanted = spec(
        image_name_with_digest_file=str(tmp_path / "names"),
        image_name_tag_with_digest_file=str(tmp_path / "deep/tags"),
    )
    tell(wanted, tuple(map(Reference.parse, DESTINATIONS)), DIGEST, NETWORK)
    assert (tmp_path / "names").read_text().splitlines() == [
        f"r.example:5000/team/app@{DIGEST}",
        f"docker.io/library/debian@{DIGEST}",
    ]
    assert (tmp_path / "deep/tags").read_text().splitlines() == [
        f"r.example:5000/team/app:v1@{DIGEST}",
        f"docker.io/library/debian:latest@{DIGEST}",
    ]


def test_the_digest_is_written_into_a_file_as_it_stands_since_it_may_be_a_mount(tmp_path: Path) -> None:
    file = tmp_path / "termination-log"
    file.write_text("something longer than a digest" * 10)
    inode = file.stat().st_ino
    tell(spec(digest_file=str(file)), (), DIGEST, NETWORK)
    assert (file.read_text(), file.stat().st_ino) == (str(DIGEST), inode)


def test_what_was_pushed_is_told_as_google_cloud_build_reads_it(
    site: Site, registry: Registry, name: str
) -> None:
    image = f"{registry.host}/{name}:1"
    for no_push in (True, False):
        folder = site.folder / f"outputs-{no_push}"
        result = site.session(
            "FROM scratch\nCMD x\n", destinations=(image,), no_push=no_push, builder_output=str(folder)
        ).run()
        assert folder.exists() != no_push
    told = [json.loads(line) for line in (folder / "images").read_text().splitlines()]
    assert told == [{"name": image, "digest": result.digest}]
