from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from yadokari_builder.build.layering.packing import Packing
from yadokari_builder.build.options import read_build_args, read_epoch, read_packing, resolve_paths
from yadokari_builder.errors import UsageError
from yadokari_builder.layers.compression import Compression, CompressionKind
from yadokari_contract.spec import BuildSpec

FOLDER = Path("/layers")


@pytest.mark.parametrize(
    ("spec", "environment", "epoch"),
    [
        (BuildSpec(), {}, None),
        (BuildSpec(reproducible=True), {}, 0),
        (BuildSpec(), {"SOURCE_DATE_EPOCH": "1700000000"}, 1700000000),
        (BuildSpec(reproducible=True), {"SOURCE_DATE_EPOCH": "5"}, 5),
        (BuildSpec(build_args={"SOURCE_DATE_EPOCH": "7"}), {"SOURCE_DATE_EPOCH": "5"}, 7),
        (BuildSpec(build_args={"SOURCE_DATE_EPOCH": None}), {"SOURCE_DATE_EPOCH": "5"}, 5),
        (BuildSpec(build_args={"SOURCE_DATE_EPOCH": ""}), {"SOURCE_DATE_EPOCH": "5"}, None),
        (BuildSpec(), {"YADOKARI_BUILD_ARG_1_SOURCE_DATE_EPOCH": "6", "SOURCE_DATE_EPOCH": "5"}, 6),
    ],
)
def test_the_latest_time_is_the_build_arguments_else_the_environments_else_none(
    spec: BuildSpec, environment: Mapping[str, str], epoch: int | None
) -> None:
    assert read_epoch(spec, environment, None) == epoch


@pytest.mark.parametrize(
    ("spec", "environment", "epoch"),
    [
        (BuildSpec(), {}, 9),
        (BuildSpec(reproducible=True), {}, 9),
        (BuildSpec(), {"SOURCE_DATE_EPOCH": "5"}, 5),
        (BuildSpec(build_args={"SOURCE_DATE_EPOCH": "7"}), {}, 7),
    ],
)
def test_the_latest_time_is_the_dockerfiles_where_nobody_gives_another(
    spec: BuildSpec, environment: Mapping[str, str], epoch: int
) -> None:
    assert read_epoch(spec, environment, 9) == epoch


@pytest.mark.parametrize("text", ["yesterday", "-1", "1.5", "٣", "9" * 12])
def test_a_latest_time_that_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        read_epoch(BuildSpec(), {"SOURCE_DATE_EPOCH": text}, None)


def test_times_are_written_as_configs_have_them() -> None:
    assert Packing(FOLDER, timestamp=0).now() == "1970-01-01T00:00:00Z"
    assert Packing(FOLDER, timestamp=99999999999).now() == "5138-11-16T09:46:39Z"
    assert Packing(FOLDER).now().endswith("Z")


@pytest.mark.parametrize(
    ("spec", "compression"),
    [
        (BuildSpec(), Compression(CompressionKind.GZIP)),
        (BuildSpec(compression_level=9), Compression(CompressionKind.GZIP, 9)),
        (BuildSpec(compression="zstd"), Compression(CompressionKind.ZSTD)),
        (BuildSpec(compression="zstd", compression_level=19), Compression(CompressionKind.ZSTD, 19)),
    ],
)
def test_layers_are_compressed_as_asked_for(spec: BuildSpec, compression: Compression) -> None:
    assert read_packing(spec, None, FOLDER).compression == compression


@pytest.mark.parametrize(("kind", "level"), [("gzip", 10), ("gzip", -2), ("zstd", 0), ("zstd", 20)])
def test_a_level_that_a_compression_does_not_have_is_refused(kind: str, level: int) -> None:
    with pytest.raises(UsageError, match=f"--compression-level is {level}: for {kind} it can be"):
        read_packing(BuildSpec(compression=kind, compression_level=level), None, FOLDER)


def test_paths_to_ignore_are_taken_from_the_root() -> None:
    spec = BuildSpec(ignore_paths=("/a/../b/", "c"), ignore_var_run=True)
    assert read_packing(spec, None, FOLDER).ignored == {"/b", "/c", "/var/run"}


def test_the_whole_root_cannot_be_ignored() -> None:
    with pytest.raises(UsageError, match="nothing would be left"):
        read_packing(BuildSpec(ignore_paths=("/",)), None, FOLDER)


@pytest.mark.parametrize(
    ("fields", "what"), [({"annotations": {"a": "b"}}, "annotations"), ({"compression": "zstd"}, "zstd")]
)
def test_dockers_kind_of_image_is_refused_for_what_it_does_not_know(
    fields: dict[str, Any], what: str
) -> None:
    with pytest.raises(UsageError, match=f"--image-format docker has no .*{what}"):
        read_packing(BuildSpec(image_format="docker", **fields), None, FOLDER)


def test_build_arguments_are_taken_from_whole_secrets_of_which_the_last_counts() -> None:
    environment = {
        "YADOKARI_BUILD_ARG_10_A": "ten",
        "YADOKARI_BUILD_ARG_9_A": "nine",
        "YADOKARI_BUILD_ARG_1_B": "from a secret",
        "YADOKARI_BUILD_ARG_1_C_2.d-e": "",
        "OTHER": "no argument",
    }
    spec = BuildSpec(build_args={"B": "given", "OWN": None})
    assert read_build_args(spec, environment) == {"A": "ten", "B": "given", "C_2.d-e": ""}


@pytest.mark.parametrize("name", ["1A", "", "A B", "A\n"])
def test_a_key_of_a_secret_that_is_no_name_of_a_build_argument_is_named(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a build argument: set prefix"):
        read_build_args(BuildSpec(), {f"YADOKARI_BUILD_ARG_1_{name}": "x"})


def test_of_a_file_of_digests_the_folder_is_resolved_and_not_a_link_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "way").symlink_to("volume")
    (tmp_path / "volume/digests").symlink_to("elsewhere")
    resolved = resolve_paths(BuildSpec(context_digests_file="way/digests"), tmp_path)
    assert resolved.context_digests_file == f"{tmp_path}/volume/digests"
    assert resolve_paths(BuildSpec(), tmp_path).context_digests_file == ""
