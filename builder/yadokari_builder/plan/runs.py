"""RUN, understood: what it starts, and what it asks for that the executor has not to give."""

from yadokari_builder.dockerfile import heredoc
from yadokari_builder.dockerfile.instructions import Command, Run
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.plan.steps import Script

_SCRIPTS = "/dev/pipes"
"""Where a RUN heredoc that starts with `#!` stands while it runs."""


def read_command(command: Command, shell: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a command starts: in shell form `shell` runs it."""
    return _with_shell(command.words, shell) if command.shell else command.words


def _with_shell(words: tuple[str, ...], shell: tuple[str, ...]) -> tuple[str, ...]:
    return (*shell, " ".join(words))


def read_run(command: Command, shell: tuple[str, ...]) -> tuple[tuple[str, ...], Script | None]:
    """Return what a RUN starts, and the script where a heredoc is one; raises LanguageError."""
    if not command.heredocs:
        return read_command(command, shell), None
    line, first = command.words[0], command.heredocs[0]
    if not heredoc.is_mark(line):
        bodies = "".join(f"\n{body.content}{body.name}" for body in command.heredocs)
        return _with_shell((line + bodies,), shell), None
    content = heredoc.chomp(first.content) if first.chomp else first.content
    if not content.startswith("#!"):
        return _with_shell((content,), shell), None
    if "/" in first.name:
        raise LanguageError("a heredoc that is a script cannot have a name with a slash", first.name)
    script = Script(f"{_SCRIPTS}/{first.name}", content)
    # The shell starts it, as in BuildKit: the one that SHELL names counts here, too.
    return _with_shell((script.path,), shell), script


def refuse_privileges(instruction: Run) -> None:
    """Refuse what the executor, itself without privilege, has not to give; raises LanguageError."""
    if instruction.security != "sandbox":
        raise LanguageError(
            f"security.{instruction.security} is not allowed: the executor runs without privilege and has"
            " none to give; remove --security",
            "--security",
        )
    if instruction.devices:
        raise LanguageError(
            f"device {quote(instruction.devices[0].name)} is not registered: the executor has no devices to"
            " give; remove --device",
            "--device",
        )
