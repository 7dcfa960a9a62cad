"""Completion by real shells: what is typed, up to a tabulator, and what they make of it."""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
PROGRAMS = {
    "kubectl-imagebuild": "from kubectl_imagebuild.__main__ import main; main()",
    "kubectl_complete-imagebuild": "from kubectl_imagebuild.completion import main; main()",
}
STAGING, KIND = CONTEXTS = ("staging of $(team) #1", "admin@kind:it's")
TYPED: dict[str, list[str]] = {
    "explain StepF": ["explain", "StepFailed"],
    "desc": ["describe"],
    "logs -n team ap": ["logs", "-n", "team", "app"],
    "list --all": ["list", "--all-namespaces"],
    "wait app --for succ": ["wait", "app", "--for", "succeeded"],
    "create app --file Dock": ["create", "app", "--file", "Dockerfile"],
    # Quoted as people may have begun to, or not at all.
    "list --context stag": ["list", "--context", STAGING],
    r"list --context staging\ o": ["list", "--context", STAGING],
    "list --context 'staging o": ["list", "--context", STAGING],
    'list --context "staging o': ["list", "--context", STAGING],
    "list --context admin@k": ["list", "--context", KIND],
    "list --context admin@kind:i": ["list", "--context", KIND],
    f"list --context '{STAGING}' -A --outp": ["list", "--context", STAGING, "-A", "--output"],
}
"""What is typed, and the words that it is completed to."""

_SAY = "kubectl-imagebuild() { printf 'ran:'; printf ' <%s>' \"$@\"; echo; }"
BEFORE = {
    "bash": ("bash --norc --noprofile -i", "PS1='ready> '", _SAY),
    "zsh": (
        "zsh -f -i",
        "PS1='ready> '; autoload -Uz compinit; compinit -u -D",
        _SAY,
    ),
}
"""How a shell is started, set up, and made to say what it would have run."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder to type in, with the plugin and a kubectl that knows some contexts and one ImageBuild."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}/operator:{ROOT}/builder",
            "HOME": str(self.folder),
            "TERM": "xterm",
            "INPUTRC": "/dev/null",
        }


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "bin").mkdir()
    (tmp_path / "Dockerfile").touch()
    texts = {name: f'exec {sys.executable} -c "{code}" "$@"' for name, code in PROGRAMS.items()}
    contexts = shlex.join(CONTEXTS)
    texts["kubectl"] = f"""case "$*" in
        *get-contexts*) printf '%s\\n' {contexts} ;;
        *--namespace=team*) echo imagebuild.yadokari.dev/app ;;
    esac"""
    for name, text in texts.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    return Desk(tmp_path)


def need(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here; tests/setup servers installs it")


@pytest.mark.parametrize("shell", BEFORE)
def test_a_shell_completes_what_is_typed_as_docs_have_it_set_up(desk: Desk, shell: str) -> None:
    need(shell)
    start, prepare, say = BEFORE[shell]
    process: pexpect.spawn[str] = pexpect.spawn(
        start, env=desk.environment, cwd=str(desk.folder), encoding="utf-8", timeout=20, echo=False
    )
    try:
        for line in (prepare, f"source <(kubectl-imagebuild completion {shell})", say):
            process.sendline(line)
        process.sendline("echo set-'up'")
        process.expect("set-up")
        for typed, words in TYPED.items():
            process.send(f"kubectl-imagebuild {typed}\t\n")
            process.expect_exact(f"ran: {' '.join(f'<{word}>' for word in words)}")
    finally:
        process.close(force=True)


def test_fish_completes_what_is_typed_as_docs_have_it_set_up(desk: Desk) -> None:
    need("fish")
    lines = ["kubectl-imagebuild completion fish | source"]
    lines += [f"complete -C {shlex.quote(f'kubectl-imagebuild {typed}')}" for typed in TYPED]
    said = subprocess.run(
        ["fish", "--no-config", "-c", "\n".join(lines)],
        env=desk.environment, cwd=desk.folder, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert [line.partition("\t")[0] for line in said.stdout.splitlines()] == [
        words[-1] for words in TYPED.values()
    ]
