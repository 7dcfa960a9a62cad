import re

import pytest

from yadokari_contract.reasons import SUCCESS, Reason, Retry, retry_after


def test_reasons_are_what_conditions_and_events_take() -> None:
    assert all(re.fullmatch("[A-Z][A-Za-z]*", reason) for reason in Reason)


def test_every_reason_has_an_exit_code_that_a_shell_tells_from_success() -> None:
    assert all(0 < reason.exit_code < 256 for reason in Reason)
    assert SUCCESS == 0


@pytest.mark.parametrize("reason", list(Reason))
def test_what_follows_is_known_by_the_exit_code_alone(reason: Reason) -> None:
    assert retry_after(reason.exit_code) is reason.retry


@pytest.mark.parametrize("exit_code", [SUCCESS, 1, 137, -1])
def test_an_exit_code_that_stands_for_no_reason_is_followed_by_nothing(exit_code: int) -> None:
    assert retry_after(exit_code) is Retry.NEVER


def test_failures_of_network_and_registries_alone_are_retried_and_counted() -> None:
    counted = {reason for reason in Reason if reason.retry is Retry.COUNTED}
    assert counted == {Reason.REGISTRY_ERROR, Reason.DOWNLOAD_FAILED, Reason.PUSH_FAILED}
