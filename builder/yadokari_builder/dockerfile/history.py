"""The `created_by` text of an image's history, as BuildKit writes it for each instruction.

The instructions are expanded ones. Those that change files end in `# buildkit`, WORKDIR does not.
"""

from collections.abc import Mapping, Sequence

from yadokari_builder.dockerfile.durations import format_duration
from yadokari_builder.dockerfile.instructions import (
    Add,
    Copy,
    Env,
    Healthcheck,
    Label,
    Maintainer,
    StopSignal,
    User,
)
from yadokari_builder.dockerfile.quoting import quote_all

COMMENT = "buildkit.dockerfile.v0"
"""What BuildKit writes into each entry's `comment`."""

_WITH_FILES = " # buildkit"


def run(argv: Sequence[str], args: Sequence[tuple[str, str | None]], env: Mapping[str, str]) -> str:
    """RUN: the whole command line with its shell, behind the build arguments that were declared before it.

    `args` are the stage's ARGs in order, with those of the stages it is built on; the environment's
    value counts where it has one.
    """
    values: dict[str, str] = {}
    for name, value in args:
        values[name] = env.get(name, value or "")
    prefix = [f"|{len(values)}", *(f"{name}={value}" for name, value in values.items())] if values else []
    return "RUN " + " ".join([*prefix, *argv]) + _WITH_FILES


def copy(instruction: Copy | Add) -> str:
    """COPY and ADD."""
    words = ["COPY" if isinstance(instruction, Copy) else "ADD"]
    if isinstance(instruction, Copy) and instruction.parents:
        words.append("--parents")
    if instruction.chown:
        words.append(f"--chown={instruction.chown}")
    if instruction.chmod:
        words.append(f"--chmod={instruction.chmod}")
    words += instruction.sources
    words += (f"<<{heredoc.name}" for heredoc in instruction.heredocs)
    return " ".join([*words, instruction.destination]) + _WITH_FILES


def env(instruction: Env) -> str:
    """ENV."""
    return " ".join(["ENV", *(f"{name}={value}" for name, value in instruction.pairs)])


def label(instruction: Label) -> str:
    """LABEL."""
    return " ".join(["LABEL", *(f"{name}={value}" for name, value in instruction.pairs)])


def arg(values: Sequence[tuple[str, str | None]]) -> str:
    """ARG: each name with the value that it got, alone if it got none."""
    return "ARG " + " ".join(name if value is None else f"{name}={value}" for name, value in values)


def cmd(argv: tuple[str, ...]) -> str:
    """CMD: the arguments with the shell, if it was in shell form."""
    return f"CMD {quote_all(argv)}"


def entrypoint(argv: tuple[str, ...]) -> str:
    """ENTRYPOINT, like CMD."""
    return f"ENTRYPOINT {quote_all(argv)}"


def shell(words: tuple[str, ...]) -> str:
    """SHELL."""
    return f"SHELL [{' '.join(words)}]"


def volume(paths: tuple[str, ...]) -> str:
    """VOLUME."""
    return f"VOLUME [{' '.join(paths)}]"


def expose(ports: tuple[str, ...]) -> str:
    """EXPOSE: `ports` with their protocols."""
    return f"EXPOSE [{' '.join(ports)}]"


def workdir(path: str) -> str:
    """WORKDIR: the absolute path."""
    return f"WORKDIR {path}"


def user(instruction: User) -> str:
    """USER."""
    return f"USER {instruction.user}"


def stopsignal(instruction: StopSignal) -> str:
    """STOPSIGNAL."""
    return f"STOPSIGNAL {instruction.signal}"


def maintainer(instruction: Maintainer) -> str:
    """MAINTAINER."""
    return f"MAINTAINER {instruction.name}"


def healthcheck(instruction: Healthcheck) -> str:
    """HEALTHCHECK: a Go struct (`%+v`)."""
    durations = (
        ("Interval", instruction.interval),
        ("Timeout", instruction.timeout),
        ("StartPeriod", instruction.start_period),
        ("StartInterval", instruction.start_interval),
    )
    fields = [f"Test:[{' '.join(instruction.test)}]"]
    fields += (f"{name}:{format_duration(duration)}" for name, duration in durations)
    return f"HEALTHCHECK {{{' '.join(fields)} Retries:{instruction.retries}}}"
