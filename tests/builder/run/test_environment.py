from yadokari_builder.dockerfile.predefined import DEFAULT_PATH
from yadokari_builder.run.environment import step_environment


def test_a_step_has_a_path_and_a_home() -> None:
    assert step_environment({}, "/root") == {"PATH": DEFAULT_PATH, "HOME": "/root"}


def test_what_is_set_stays() -> None:
    given = {"PATH": "/x", "HOME": "/h", "A": "", "B": "b"}
    assert step_environment(given, "/root") == given


def test_an_empty_home_and_an_unknown_user_still_have_a_home() -> None:
    assert step_environment({"HOME": ""}, "/home/user")["HOME"] == "/home/user"
    assert step_environment({}, "")["HOME"] == "/"
