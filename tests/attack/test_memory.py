"""Images and repositories by attackers that would take all memory: the executor keeps below 150 MB."""

import gzip
import os
from collections.abc import Callable

import pytest
import zstandard

from support.attack import attack
from support.hostile_archives import END, extended, header, octal
from support.hostile_git import KINDS, commit, entry, hostile_git, identity, pack
from support.lying_registry import LAYER, MANIFEST, LyingRegistry, digest_of, lying_registry
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

MOST = 150_000_000


def put_blob(registry: LyingRegistry, blob: bytes, archive: bytes) -> None:
    config = {"rootfs": {"type": "layers", "diff_ids": [digest_of(archive)]}}
    registry.put_image(config=config, manifest={"layers": [registry.put(blob, LAYER)]})


def window(registry: LyingRegistry) -> None:
    """A frame that wants a window of 2 GiB."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    blob = zstandard.ZstdCompressor(compression_params=parameters).compress(END)
    # The descriptor of a frame without its content's size (RFC 8878, 3.1.1.1), with a window of 2^31.
    put_blob(registry, blob[:4] + b"\x00" + b"\xa8" + b"\x01\x00\x00", END)


def heads(registry: LyingRegistry) -> None:
    """Hundreds of members with heads of 900 kB."""
    one = extended((b"SCHILY.xattr.user.a", b"x" * 900_000)) + header(b"d", flag=b"5")
    put_blob(registry, gzip.compress(one * 300 + END, 1), one * 300 + END)


def names(registry: LyingRegistry) -> None:
    """Many names."""
    archive = b"".join(header(b"%d/%d" % (number % 700, number)) for number in range(50_000)) + END
    put_blob(registry, gzip.compress(archive, 1), archive)


def zeros(registry: LyingRegistry) -> None:
    """A file of zeros, a thousandth of its size."""
    archive = header(size=octal(300 << 20)) + bytes(300 << 20) + END
    put_blob(registry, gzip.compress(archive, 1), archive)


def layers(registry: LyingRegistry) -> None:
    """Thousands of layers."""
    said = registry.put(gzip.compress(END), LAYER)
    config = {"rootfs": {"type": "layers", "diff_ids": [digest_of(END)] * 5_000}}
    registry.put_image(config=config, manifest={"layers": [said] * 5_000})


def braces(registry: LyingRegistry) -> None:
    """As many objects as fit into a manifest."""
    registry.put(b'{"annotations":{"a":' + b'[{"a":[]},' * 350_000 + b"]}}", MANIFEST, "latest")


def words(registry: LyingRegistry) -> None:
    """As many variables as fit into a config."""
    registry.put_image(END, config={"config": {"Env": [f"A{number}=" for number in range(300_000)]}})


@pytest.mark.parametrize("make", [window, heads, names, zeros, layers, braces, words])
def test_an_image_takes_no_more_memory_than_there_is(
    tmp_path_factory: pytest.TempPathFactory, make: Callable[[LyingRegistry], None]
) -> None:
    with lying_registry() as registry:
        make(registry)
        result = attack(
            tmp_path_factory.mktemp("context"),
            f"FROM {registry.host}/app\nCOPY --chown=nobody Dockerfile /\n",
            "--no-push",
            "--materialize",
            "--image-unpack-limit=200m",
            f"--insecure-registry={registry.host}",
        )
    assert result.report
    assert result.report.peak_rss_bytes < MOST, result.output[-2000:]
    assert result.exit_code in (0, 15), result.output[-2000:]
    assert "a mistake in Yadokari" not in result.output


def test_a_repository_takes_no_more_memory_than_there_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    blobs = [entry(KINDS["blob"], os.urandom(1 << 20)) for _ in range(60)]
    head = commit(b"\1" * 20)
    packed = pack([entry(KINDS["commit"], head), *blobs, entry(KINDS["blob"], bytes(20 << 20))])
    with hostile_git(identity("commit", head), packed) as address:
        result = attack(
            tmp_path_factory.mktemp("context"), f"FROM scratch\nADD {address}/x.git /x\n", "--no-push"
        )
    assert result.report
    assert result.report.peak_rss_bytes < MOST, result.output
    assert result.exit_code == 14, result.output
