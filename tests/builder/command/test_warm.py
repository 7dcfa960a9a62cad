"""`warm`, kaniko's warmer: base images in a folder, for builds."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.executor import Ended, Executor
from support.gate import Gate, running_gate
from support.handmade import LocalImage, make_image, push
from support.layout import Layout
from support.registry import Registry
from support.verbs import run_verb
from yadokari_builder.cache.base import BaseFolder
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
OF_AMD64 = "--custom-platform=linux/amd64"


@pytest.fixture
def made(tmp_path: Path) -> LocalImage:
    return make_image(tmp_path / "made", {"a": b"1"}, {"b": b"2"})


@pytest.fixture
def image(registry: Registry, name: str, made: LocalImage) -> str:
    push(made, f"{registry.host}/{name}:1")
    return f"{registry.host}/{name}:1"


def warm(folder: Path, *arguments: str, **environment: str) -> Ended:
    return run_verb("warm", f"--cache-dir={folder}", "--insecure-pull", OF_AMD64, *arguments, **environment)


def has(folder: Path, image: str, platform: Platform = AMD64) -> bool:
    return BaseFolder(str(folder)).find(Reference.parse(image), platform) is not None


def test_images_that_are_named_are_there_one_that_fails_loses_no_other(image: str, tmp_path: Path) -> None:
    gone = image.replace(":1", ":gone")
    done = warm(tmp_path / "cache", "-i", gone, "--image", image, FF_KANIKO_OCI_WARMER="0")
    assert done.code == 12
    assert f"{gone} is not in {tmp_path}/cache: " in done.log
    assert f"{image} for linux/amd64 is in {tmp_path}/cache" in done.log
    assert "FF_KANIKO_OCI_WARMER changes nothing: the warmer always makes an OCI layout" in done.log
    assert has(tmp_path / "cache", image)
    assert not has(tmp_path / "cache", gone)


def test_images_of_a_dockerfile_are_there(registry: Registry, image: str, tmp_path: Path) -> None:
    others = [f"{image}-arm", f"{image}-tool", f"{image}-mounted"]
    push(make_image(tmp_path / "arm", {"c": b"3"}, platform=ARM64), others[0])
    for other in others[1:]:
        push(make_image(tmp_path / other.rpartition("-")[2], {"d": other.encode()}), other)
    (tmp_path / "Dockerfile").write_text(
        f"""
ARG TAG=wrong
FROM {image.removesuffix(":1")}:$TAG AS first
RUN --mount=from={others[2]},target=/t true
FROM --platform=linux/arm64 {others[0]}
FROM first
COPY --from={others[1]} d /
COPY --from=first a /
FROM scratch
"""
    )
    arguments = ("-d", str(tmp_path / "Dockerfile"), "--build-arg", "TAG")
    done = warm(tmp_path / "cache", *arguments, TAG="1")
    assert done.code == 0, done.log
    assert has(tmp_path / "cache", others[0], ARM64)
    assert all(has(tmp_path / "cache", each) for each in (image, *others[1:]))
    assert not has(tmp_path / "cache", others[0])


@pytest.mark.long
def test_a_warmer_fetches_a_blob_once(registry: Registry, image: str, tmp_path: Path) -> None:
    with running_gate(registry.host) as gate:
        through = image.replace(registry.host, gate.host)
        command = [
            *(sys.executable, "-m", "yadokari_builder", "warm", "-i", through, "-c", str(tmp_path / "cache")),
            *("--insecure-pull", OF_AMD64),
        ]
        builder = Path(__file__).parents[3] / "builder"
        warmers = [
            subprocess.Popen(command, env={"PYTHONPATH": str(builder)}, stderr=subprocess.PIPE)
            for _ in range(4)
        ]
        logs = [warmer.communicate(timeout=60)[1].decode() for warmer in warmers]
        assert [warmer.returncode for warmer in warmers] == [0] * 4, logs
        assert layers_fetched(gate, tmp_path / "cache") == 2
        assert warm(tmp_path / "cache", "-i", through, "-f").code == 0
        assert layers_fetched(gate, tmp_path / "cache") == 4
    assert has(tmp_path / "cache", through)


def layers_fetched(gate: Gate, folder: Path) -> int:
    """How often a layer was fetched through a gate."""
    images = Path(folder, "index.json").read_text()
    kept = BaseFolder(str(folder)).find(Reference.parse(f"{gate.host}/{_name(images, gate)}"), AMD64)
    assert kept
    return sum(gate.count("GET", str(layer.digest)) for layer in kept.image.manifest.layers)


def _name(index: str, gate: Gate) -> str:
    return index.partition(f"{gate.host}/")[2].partition("+")[0]


@pytest.mark.long
def test_a_build_takes_layers_from_the_folder(
    executor: Executor, registry: Registry, image: str, made: LocalImage, name: str
) -> None:
    cache = executor.folder / "cache"
    assert warm(cache, "-i", image).code == 0
    with running_gate(registry.host) as gate:
        through = image.replace(registry.host, gate.host)
        destination = f"{registry.host}/{name}-built:1"
        arguments = (f"--cache-dir={cache}", "--insecure", "--insecure-pull", OF_AMD64, "-d", destination)
        done = executor(f"FROM {through}\nCOPY Dockerfile /new\n", *arguments, "--materialize")
    assert done.code == 0, done.log
    assert f"{cache} is not mounted read-only: registries are asked what a tag means" in done.log
    assert [gate.count("GET", str(layer.digest)) for layer in made.image.manifest.layers] == [0, 0]
    assert (executor.root / "b").read_text() == "2"
    layout = Layout.pull(destination, executor.folder / "pulled")
    assert layout.names_in_layers() == {"a", "b", "new"}


def test_a_build_from_a_digest_needs_no_registry(executor: Executor, image: str, made: LocalImage) -> None:
    cache = executor.folder / "cache"
    assert warm(cache, "-i", image).code == 0
    digest = made.image.manifest_digest
    arguments = (f"--cache-dir={cache}", "--no-push", OF_AMD64, "--materialize")
    done = executor(f"FROM nowhere.invalid/base@{digest}\nCOPY Dockerfile /new\n", *arguments)
    assert done.code == 0, done.log
    assert (executor.root / "a").read_text() == "1"


@pytest.mark.long
def test_a_folder_that_the_build_would_delete_is_told_of(executor: Executor, image: str) -> None:
    executor.root.mkdir()
    cache = executor.root / "cache"
    assert warm(cache, "-i", image).code == 0
    arguments = (f"--cache-dir={cache}", "--no-push", "--insecure-pull", OF_AMD64)
    done = executor(f"FROM {image}\nCOPY Dockerfile /new\n", *arguments)
    assert done.code == 0, done.log
    assert f"--cache-dir {cache} lies in the root that is built in" in done.log
    missing = executor("FROM scratch\nCMD x\n", "--no-push", "--cache-dir=/no/where")
    assert "--cache-dir /no/where holds no images that a warmer put there" in missing.log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing says which images"),
        (["debian"], "'debian' is not a flag: warm --image REFERENCE"),
        (["-i", "UPPER"], "must be lower case"),
        (["-d", "/no/where"], "failed to read dockerfile"),
        (["-i", "debian", "--custom-platform=windows/amd64"], "images are built for linux alone"),
        (["-i", "debian", "--destination=x"], "--destination is not a flag"),
    ],
)
def test_a_warmer_that_lacks_something_is_refused(arguments: list[str], message: str) -> None:
    done = run_verb("warm", *arguments)
    assert done.code in (2, 14)
    assert message in done.log
