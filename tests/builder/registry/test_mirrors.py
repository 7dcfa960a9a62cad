import pytest

from yadokari_builder.errors import UsageError
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.mirrors import make_mirrors


def test_mirrors_come_before_docker_hub_in_their_order() -> None:
    mirrors = make_mirrors(["a.example", "b.example:5000/hub/"], [])
    assert list(map(str, mirrors.locations(Reference.parse("debian:12")))) == [
        "a.example/library/debian:12",
        "b.example:5000/hub/library/debian:12",
        "docker.io/library/debian:12",
    ]


def test_other_registries_have_no_mirrors() -> None:
    reference = Reference.parse("quay.io/a/b")
    assert list(make_mirrors(["a.example"], [], fallback=False).locations(reference)) == [reference]


def test_a_map_names_mirrors_for_any_registry() -> None:
    mirrors = make_mirrors(
        [], [("quay.io", "a.example/quay"), ("quay.io", "b.example"), ("index.docker.io", "c.example")]
    )
    assert list(map(str, mirrors.locations(Reference.parse("quay.io/a/b:1")))) == [
        "a.example/quay/a/b:1",
        "b.example/a/b:1",
        "quay.io/a/b:1",
    ]
    assert str(next(mirrors.locations(Reference.parse("debian")))) == "c.example/library/debian:latest"


def test_without_fallback_a_registry_with_mirrors_is_not_asked() -> None:
    mirrors = make_mirrors(["a.example"], [], fallback=False)
    assert list(map(str, mirrors.locations(Reference.parse("debian")))) == ["a.example/library/debian:latest"]


@pytest.mark.parametrize("text", ["", "https://a.example", "a.example/UPPER", "a b", "/hub"])
def test_what_is_no_mirror_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="HOST"):
        make_mirrors([text], [])
