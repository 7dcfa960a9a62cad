import pytest

from yadokari_builder.dockerfile.checksum import Checksum
from yadokari_builder.dockerfile.location import LanguageError


@pytest.mark.parametrize(("algorithm", "length"), [("sha256", 64), ("sha384", 96), ("sha512", 128)])
def test_a_checksum_is_an_algorithm_and_a_hash(algorithm: str, length: int) -> None:
    text = f"{algorithm}:{'0a' * (length // 2)}"
    assert Checksum.parse(text) == Checksum(algorithm, text.partition(":")[2])
    assert str(Checksum.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid checksum digest format"),
        ("abc", "invalid checksum digest format"),
        (":" + "0" * 64, "invalid checksum digest format"),
        ("sha256:", "invalid checksum digest format"),
        (f"sha256:{'A' * 64}", "invalid checksum digest format"),
        ("md5:!", "invalid checksum digest format"),
        ("sha256:0", "invalid checksum digest length"),
        (f"sha512:{'0' * 64}", "invalid checksum digest length"),
        ("md5:0", "unsupported digest algorithm"),
        (f"SHA256:{'0' * 64}", "invalid checksum digest format"),
    ],
)
def test_other_checksums_are_refused_in_buildkits_words(text: str, message: str) -> None:
    with pytest.raises(LanguageError) as refused:
        Checksum.parse(text)
    assert refused.value.message == f"{message}: {text}"
