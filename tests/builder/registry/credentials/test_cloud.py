"""What a cloud lends is kept as long as it is good."""

import pytest

from yadokari_builder.errors import RegistryError
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.cloud import Cloud, Lease
from yadokari_builder.registry.credentials.credential import Credential

OURS, OTHER = Repository("r.cloud", "app"), Repository("r.other", "app")


class Lender:
    def __init__(self, *outcomes: Lease | RegistryError | None) -> None:
        self.outcomes = list(outcomes)
        self.now = 0.0

    def __call__(self, registry: str) -> Lease | None:
        assert registry == "r.cloud"
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, RegistryError):
            raise outcome
        return outcome

    def cloud(self) -> Cloud:
        return Cloud(lambda registry: registry == "r.cloud", self, lambda: self.now)


def test_other_registries_are_not_asked_about() -> None:
    assert Lender().cloud().find(OTHER) is None


def test_a_credential_is_asked_for_again_shortly_before_it_ends() -> None:
    first, second = Credential("a", "1"), Credential("a", "2")
    lender = Lender(Lease(first, 100), Lease(second, 100))
    cloud = lender.cloud()
    found = []
    for lender.now in (0, 89, 91):
        found.append(cloud.find(OURS))
    assert found == [first, first, second]


def test_who_is_not_known_is_asked_once() -> None:
    cloud = Lender(None).cloud()
    assert cloud.find(OURS) is cloud.find(OURS) is None
    assert cloud.hint(OURS) == ""


def test_a_refusal_is_remembered_and_told() -> None:
    cloud = Lender(RegistryError("the role is not yours")).cloud()
    assert cloud.find(OURS) is cloud.find(OURS) is None
    assert cloud.hint(OURS) == "the role is not yours"
    assert cloud.hint(OTHER) == ""


def test_what_may_pass_is_tried_again() -> None:
    cloud = Lender(RegistryError("busy", temporary=True), Lease(Credential("a", "1"), 9)).cloud()
    with pytest.raises(RegistryError, match="busy"):
        cloud.find(OURS)
    assert cloud.find(OURS) == Credential("a", "1")
