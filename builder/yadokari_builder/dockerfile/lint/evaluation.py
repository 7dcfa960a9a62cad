"""Rules that need a stage's variables, judged instruction by instruction without any file at hand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from yadokari_builder.dockerfile import gitref, ports
from yadokari_builder.dockerfile.arg_values import stage_values
from yadokari_builder.dockerfile.expand import Variables, expand_with
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
    Shell,
    Workdir,
)
from yadokari_builder.dockerfile.lint import rules
from yadokari_builder.dockerfile.lint.linter import Linter
from yadokari_builder.dockerfile.location import LanguageError, Location
from yadokari_builder.dockerfile.predefined import DEFAULT_PATH, SBOM_ARGS
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.suggestion import suggest
from yadokari_builder.oci.config import ContainerConfig

_SECRET = re.compile(
    "(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_NO_SECRET = re.compile("(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_EVERYTHING = ("*", "**", "**/*")


@dataclass(frozen=True, slots=True)
class StageState:
    """What a stage's next instruction sees, and what a stage built on it inherits."""

    env: Mapping[str, str]
    args: frozenset[str] = frozenset()
    has_shell: bool = False
    has_workdir: bool = False

    @classmethod
    def of_image(cls, config: ContainerConfig | None) -> "StageState":
        """Return the state after FROM an image; None is one that nothing is known of, or scratch."""
        pairs = (item.partition("=") for item in (config.env if config else ()))
        env = {"PATH": DEFAULT_PATH} | {name: value for name, _, value in pairs}
        return cls(env, has_shell=bool(config and config.shell))


@dataclass(slots=True)
class StageLinter:
    """Judges the instructions of one stage in order; `ignore` are the context's ignore patterns."""

    linter: Linter
    state: StageState
    meta_env: Mapping[str, str]
    build_args: Mapping[str, str]
    escape: str
    ignore: IgnorePatterns
    _seen: dict[type[Instruction], Location] = field(default_factory=dict)

    def check(self, instruction: Instruction) -> None:
        """Judge the next instruction; raises DockerfileError where the build would."""
        variables = Variables(self.state.env, self.escape)
        if isinstance(instruction, Arg):
            self._check_arg(instruction, variables)
            return
        expanded = expand_with(instruction, variables)
        if not isinstance(instruction, Expose):
            self._check_variables(instruction, variables)
        match expanded:
            case Env():
                self._check_pairs(expanded)
                self.state = replace(self.state, env={**self.state.env, **dict(expanded.pairs)})
            case Label():
                self._check_pairs(expanded)
            case Copy() | Add():
                self._check_sources(expanded)
            case Workdir():
                self._check_workdir(expanded)
            case Expose():
                self._check_ports(expanded)
            case Shell():
                self.state = replace(self.state, has_shell=True)
            case Cmd() | Entrypoint() | Healthcheck():
                self._check_last(expanded)

    def _warn(self, rule: rules.Rule, message: str, instruction: Instruction) -> None:
        self.linter.warn(rule, message, instruction.location, instruction.origin.comments)

    def _check_variables(self, instruction: Instruction, variables: Variables) -> None:
        for name in variables.undefined:
            if name in self.state.args or name in SBOM_ARGS:
                continue
            meant = suggest(name, variables.env)
            message = f"Usage of undefined variable '${name}'" + (
                f" (did you mean ${meant}?)" if meant else ""
            )
            self._warn(rules.UNDEFINED_VAR, message, instruction)

    def _check_arg(self, instruction: Arg, variables: Variables) -> None:
        values = stage_values(instruction, variables, self.meta_env, self.build_args)
        self._check_variables(instruction, variables)
        for name, _ in values:
            self._check_secret("ARG", name, instruction)
        known = {name: value for name, value in values if value is not None and name not in SBOM_ARGS}
        names = self.state.args.union(name for name, _ in values)
        self.state = replace(self.state, env={**self.state.env, **known}, args=names)

    def _check_pairs(self, instruction: Env | Label) -> None:
        keyword = instruction.origin.keyword
        if instruction.legacy:
            message = f'"{keyword} key=value" should be used instead of legacy "{keyword} key value" format'
            self._warn(rules.LEGACY_KEY_VALUE_FORMAT, message, instruction)
        if isinstance(instruction, Env):
            for name, _ in instruction.pairs:
                self._check_secret("ENV", name, instruction)

    def _check_secret(self, keyword: str, name: str, instruction: Instruction) -> None:
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

    def _check_workdir(self, instruction: Workdir) -> None:
        if not self.state.has_workdir and not instruction.path.startswith("/"):
            path = quote(instruction.path)
            message = f"Relative workdir {path} can have unexpected results if the base image changes"
            self._warn(rules.WORKDIR_RELATIVE_PATH, message, instruction)
        self.state = replace(self.state, has_workdir=True)

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

    def _check_last(self, instruction: Cmd | Entrypoint | Healthcheck) -> None:
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
        if isinstance(instruction, Healthcheck) or not instruction.command.shell or self.state.has_shell:
            return
        message = (
            f"JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
        )
        self._warn(rules.JSON_ARGS_RECOMMENDED, message, instruction)


def _is_remote(source: str) -> bool:
    if source.startswith(("http://", "https://")):
        return True
    try:
        ref = gitref.parse_git_ref(source)
    except LanguageError:
        return True
    return ref is not None and not ref.looks_local
