import errno
import os

import pytest

from yadokari_builder.build.located import located
from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.errors import BuilderError, ContextError

ORIGIN = parse("FROM scratch\n\nCOPY a b\n").stages[0].instructions[0].origin


def test_an_error_of_a_step_has_its_line() -> None:
    with pytest.raises(ContextError) as caught, located(ORIGIN):
        raise ContextError("it is not there")
    assert str(caught.value) == "Dockerfile:3: it is not there\n  3 | COPY a b"


def test_an_error_that_has_a_line_keeps_it() -> None:
    error = BuilderError("wrong")
    error.locate("other", 7, "RUN x")
    with pytest.raises(BuilderError, match=r"^other:7: wrong"), located(ORIGIN):
        raise error


def test_what_the_system_refuses_is_an_error_of_the_step() -> None:
    with pytest.raises(BuilderError) as caught, located(ORIGIN):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/file")
    assert str(caught.value) == "Dockerfile:3: /a/file: No space left on device\n  3 | COPY a b"


def test_names_in_an_error_cannot_do_anything_to_a_terminal() -> None:
    with pytest.raises(BuilderError) as caught, located(ORIGIN):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a\n\x1b[31m\udcff")
    assert caught.value.message == "/a\\n\\x1b[31m\\xff: No space left on device"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a mistake of ours")])
def test_what_nobody_else_is_to_blame_for_passes_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, located(ORIGIN):
        raise error
    assert caught.value is error
