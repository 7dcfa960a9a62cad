import errno
import os

import pytest

from yadokari_builder.dockerfile.located import located
from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.errors import BuilderError, DockerfileError, RunError

ORIGIN = parse("FROM scratch\n\nCOPY a b\n").stages[0].instructions[0].origin


def shown(dockerfile: str, error: Exception) -> str:
    """How an error of the last instruction is shown."""
    instruction = parse(dockerfile).stages[-1].instructions[-1]
    with pytest.raises(BuilderError) as caught, located(instruction.origin):
        raise error
    return str(caught.value)


FAILED = RunError("the process did not complete successfully: exit code: 1", status=1)


def test_a_step_that_fails_is_shown_as_it_stands_in_the_dockerfile() -> None:
    lines = [
        "FROM a",
        "",
        *[f"ENV x{n}=1" for n in range(6)],
        "RUN one && \\",
        "# why",
        "\ttwo \\",
        "  three",
    ]
    assert shown("\n".join(lines), FAILED) == (
        "Dockerfile:9: the process did not complete successfully: exit code: 1\n"
        "   9 | RUN one && \\\n  10 | # why\n  11 | \ttwo \\\n  12 |   three"
    )


def test_the_lines_of_a_heredoc_are_the_instructions() -> None:
    error = RunError("it failed", status=1)
    assert shown("FROM a\nRUN <<EOF\necho one\n\nfalse\nEOF\n", error) == (
        "Dockerfile:2: it failed\n  2 | RUN <<EOF\n  3 | echo one\n  4 |\n  5 | false\n  6 | EOF"
    )


def test_of_many_lines_the_first_are_shown() -> None:
    error = RunError("it failed", status=1)
    text = shown("FROM a\nRUN <<EOF\n" + "true\n" * 500 + "EOF\n", error)
    assert len(text.splitlines()) == 22
    assert text.endswith("\n  21 | true\n     | … 482 more lines")


def test_of_a_long_line_the_beginning_is_shown() -> None:
    text = shown(f"FROM a\nRUN {'x' * 60_000}\n", RunError("it failed", status=1))
    assert len(text) < 250
    assert text.endswith("xxx…")


def test_what_no_terminal_should_get_is_written_out() -> None:
    error = RunError("it failed", status=1)
    assert shown("FROM a\r\nRUN echo \x1b[31m\x07 é\r\n", error).endswith("\n  2 | RUN echo \\x1b[31m\\a é")


def test_what_the_system_refuses_is_blamed_on_the_step() -> None:
    error = PermissionError(13, "Permission denied", "/file")
    assert shown("FROM a\nCOPY a /\n", error) == "Dockerfile:2: /file: Permission denied\n  2 | COPY a /"


def test_a_caret_points_below_a_line_with_a_number_of_any_length() -> None:
    error = DockerfileError("wrong", line=1234, excerpt="RUN x", column=4)
    assert str(error) == "Dockerfile:1234: wrong\n  1234 | RUN x\n             ^"


def test_a_name_in_an_error_has_no_great_length() -> None:
    with pytest.raises(BuilderError) as caught, located(ORIGIN):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), b"/d" * 2050)
    assert caught.value.message == f"{'/d' * 100}…: File name too long"


def test_a_file_that_has_but_a_descriptor_is_not_named() -> None:
    with pytest.raises(BuilderError, match=r"^Dockerfile:3: No space left on device"), located(ORIGIN):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 7)


def test_names_in_an_error_cannot_do_anything_to_a_terminal() -> None:
    with pytest.raises(BuilderError) as caught, located(ORIGIN):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a\n\x1b[31m\udcff")
    assert caught.value.message.startswith(
        "/a\\n\\x1b[31m\\xff: No space left on device: give the pod more disk"
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a mistake of ours")])
def test_what_nobody_else_is_to_blame_for_passes_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, located(ORIGIN):
        raise error
    assert caught.value is error
