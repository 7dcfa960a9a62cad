from yadokari_api.conditions import Condition, Truth, carried_over


def condition(status: Truth, time: str, reason: str = "Reason") -> Condition:
    return Condition(
        type="Ready",
        status=status,
        reason=reason,
        message="",
        observed_generation=1,
        last_transition_time=time,
    )


def test_the_transition_time_is_kept_while_the_status_is_the_same() -> None:
    (made,) = carried_over([condition("False", "later", "Other")], [condition("False", "before")])
    assert (made.last_transition_time, made.reason) == ("before", "Other")


def test_the_transition_time_is_new_when_the_status_changes() -> None:
    (made,) = carried_over([condition("True", "later")], [condition("False", "before")])
    assert made.last_transition_time == "later"


def test_a_condition_that_was_not_there_has_its_own_time() -> None:
    assert carried_over([condition("True", "later")], []) == (condition("True", "later"),)
