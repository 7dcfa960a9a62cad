import pytest
from hypothesis import given

from builder.oci.strategies import digests
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci.digest import Digest

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(digests)
def test_a_digest_is_read_as_it_was_written(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest


def test_the_digest_of_nothing() -> None:
    assert str(Digest.of(b"")) == f"sha256:{EMPTY}"
    assert Digest.of(b"").hasher().hexdigest() == EMPTY


@pytest.mark.parametrize(
    "text",
    [
        "",
        EMPTY,
        "sha256:",
        f"sha256:{EMPTY[1:]}",
        f"sha256:{EMPTY.upper()}",
        f"sha512:{EMPTY}",
        f"md5:{EMPTY}",
        f"sha256:{EMPTY}\n",
        f"sha256:{EMPTY[:-1]}/",
        "sha256:../../" + "0" * 58,
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ImageInvalidError, match="digest"):
        Digest.parse(text)
