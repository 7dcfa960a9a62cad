"""Rules that need a stage's variables, judged instruction by instruction without any file at hand."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from yadokari_builder.dockerfile import gitref, ports
from yadokari_builder.dockerfile.ignore import IgnorePatterns, clean
from yadokari_builder.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Workdir,
)
from yadokari_builder.dockerfile.lint import rules
from yadokari_builder.dockerfile.lint.linter import Linter
from yadokari_builder.dockerfile.listener import View
from yadokari_builder.dockerfile.location import LanguageError, Location
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.urls import is_url
from yadokari_contract.suggestion import suggest

_SECRET = re.compile(
    "(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_NO_SECRET = re.compile("(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_EVERYTHING = ("*", "**", "**/*")


@dataclass(slots=True)
class StageRules:
    """Judges the instructions of one stage in order; `ignore` are the context's ignore patterns."""

    linter: Linter
    ignore: IgnorePatterns
    _seen: dict[type[Instruction], Location] = field(default_factory=dict)

    def check(self, instruction: Instruction, undefined: Sequence[str], view: View) -> None:
        """Judge the next instruction, its variables replaced; `undefined` are those that nothing declares."""
        if not isinstance(instruction, Expose):
            self._check_variables(instruction, undefined, view)
        match instruction:
            case Arg():
                self._check_secrets("ARG", instruction)
            case Env():
                self._check_form(instruction)
                self._check_secrets("ENV", instruction)
            case Label():
                self._check_form(instruction)
            case Copy() | Add():
                self._check_sources(instruction)
            case Workdir():
                self._check_workdir(instruction, view)
            case Expose():
                self._check_ports(instruction)
            case Cmd() | Entrypoint() | Healthcheck():
                self._check_last(instruction, view)

    def _warn(self, rule: rules.Rule, message: str, instruction: Instruction) -> None:
        self.linter.warn(rule, message, instruction.location, instruction.origin.comments)

    def _check_variables(self, instruction: Instruction, undefined: Sequence[str], view: View) -> None:
        for name in undefined:
            meant = suggest(name, view.variables)
            message = f"Usage of undefined variable '${name}'" + (
                f" (did you mean ${meant}?)" if meant else ""
            )
            self._warn(rules.UNDEFINED_VAR, message, instruction)

    def _check_form(self, instruction: Env | Label) -> None:
        if instruction.legacy:
            keyword = instruction.origin.keyword
            message = f'"{keyword} key=value" should be used instead of legacy "{keyword} key value" format'
            self._warn(rules.LEGACY_KEY_VALUE_FORMAT, message, instruction)

    def _check_secrets(self, keyword: str, instruction: Arg | Env) -> None:
        for name, _ in instruction.pairs:
            if _SECRET.search(name) and not _NO_SECRET.search(name):
                message = f"Do not use ARG or ENV instructions for sensitive data ({keyword} {quote(name)})"
                self._warn(rules.SECRETS_USED_IN_ARG_OR_ENV, message, instruction)

    def _check_sources(self, instruction: Copy | Add) -> None:
        # Where there are exceptions it takes the files to tell what is ignored.
        if self.ignore.has_exceptions or (isinstance(instruction, Copy) and instruction.from_):
            return
        for source in instruction.sources:
            path = clean(source)
            if not _is_remote(source) and self._is_ignored(path):
                verb = "Copy" if isinstance(instruction, Copy) else "Add"
                message = f"Attempting to {verb} file {quote(path)} that is excluded by .dockerignore"
                self._warn(rules.COPY_IGNORED_FILE, message, instruction)

    def _is_ignored(self, path: str) -> bool:
        if path in (".", "/") and not any(one.text in _EVERYTHING for one in self.ignore.patterns):
            return False
        return self.ignore.matches(path)

    def _check_workdir(self, instruction: Workdir, view: View) -> None:
        if not view.has_workdir and not instruction.path.startswith("/"):
            path = quote(instruction.path)
            message = f"Relative workdir {path} can have unexpected results if the base image changes"
            self._warn(rules.WORKDIR_RELATIVE_PATH, message, instruction)

    def _check_ports(self, instruction: Expose) -> None:
        for port in instruction.ports:
            try:
                spec = ports.split(port)
            except LanguageError:
                continue  # whoever evaluates the instruction raises it
            if spec.protocol != spec.protocol.lower():
                message = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
                self._warn(rules.EXPOSE_PROTO_CASING, message, instruction)
            if spec.address or spec.host_ports:
                message = (
                    f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
                )
                self._warn(rules.EXPOSE_INVALID_FORMAT, message, instruction)

    def _check_last(self, instruction: Cmd | Entrypoint | Healthcheck, view: View) -> None:
        """Warn of what a later instruction of its kind overrides, and of the shell form."""
        keyword = instruction.origin.keyword
        comments = instruction.origin.comments
        if earlier := self._seen.get(type(instruction)):
            message = (
                f"Multiple {keyword} instructions should not be used in the same stage "
                "because only the last one will be used"
            )
            self.linter.warn(rules.MULTIPLE_INSTRUCTIONS_DISALLOWED, message, earlier, comments)
        self._seen[type(instruction)] = instruction.location
        if isinstance(instruction, Healthcheck) or not instruction.command.shell or view.has_shell:
            return
        message = (
            f"JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
        )
        self._warn(rules.JSON_ARGS_RECOMMENDED, message, instruction)


def _is_remote(source: str) -> bool:
    try:
        return is_url(source) or gitref.git_source(source) is not None
    except LanguageError:
        return True
