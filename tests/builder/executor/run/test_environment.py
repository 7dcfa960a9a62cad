from yadokari_builder.executor.run.environment import DEFAULT_PATH, step_environment


def test_a_step_has_a_path_and_a_home() -> None:
    assert step_environment({}, {}, "/root") == {"PATH": DEFAULT_PATH, "HOME": "/root"}


def test_what_the_image_sets_wins() -> None:
    assert step_environment(
        {"PATH": "/x", "HOME": "/h", "A": "image"}, {"A": "arg", "B": "arg"}, "/root"
    ) == {
        "PATH": "/x",
        "HOME": "/h",
        "A": "image",
        "B": "arg",
    }


def test_an_empty_home_and_an_unknown_user_still_have_a_home() -> None:
    assert step_environment({"HOME": ""}, {}, "/home/user")["HOME"] == "/home/user"
    assert step_environment({}, {}, "")["HOME"] == "/"
