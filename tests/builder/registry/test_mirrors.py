import pytest

from yadokari_builder.errors import UsageError
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.mirrors import locations, parse_mirror


def test_mirrors_come_before_docker_hub_in_their_order() -> None:
    found = locations(Reference.parse("debian:12"), ["a.example", "b.example:5000/hub"])
    assert list(map(str, found)) == [
        "a.example/library/debian:12",
        "b.example:5000/hub/library/debian:12",
        "docker.io/library/debian:12",
    ]


def test_other_registries_have_no_mirrors() -> None:
    reference = Reference.parse("quay.io/a/b")
    assert list(locations(reference, ["a.example"])) == [reference]


def test_a_mirror_is_host_and_path() -> None:
    assert parse_mirror("a.example:5000/hub/") == "a.example:5000/hub"


@pytest.mark.parametrize("text", ["", "https://a.example", "a.example/UPPER", "a b", "/hub"])
def test_what_is_no_mirror_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="HOST"):
        parse_mirror(text)
