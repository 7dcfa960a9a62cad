"""kubectl's own flags, at every verb whose like in kubectl has them."""

import argparse
import io
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from kubectl_imagebuild.command import run
from kubectl_imagebuild.command_line import parser
from support.plugin import Plugin, Said

_EVERYWHERE = {"--namespace", "--context", "--kubeconfig"}
_OUTPUT, _CHOICE = {"--output"}, {"--all-namespaces", "--selector"}

VERBS = {
    "create": ("create", _OUTPUT),
    "list": ("get", _OUTPUT | _CHOICE),
    "logs": ("logs", set()),
    "describe": ("describe, and get", _OUTPUT | _CHOICE),
    "wait": ("wait", _OUTPUT | _CHOICE | {"--all"}),
    "rebuild": ("annotate", _OUTPUT | _CHOICE | {"--all"}),
    "cancel": ("patch", _OUTPUT | _CHOICE | {"--all"}),
    "explain": ("explain", set()),
    "completion": ("completion", set()),
}
"""By verb its like in kubectl, and which flags of that it has beside those of the cluster."""

RUNS = {
    "create": ("create", "app", "--file", "-", "-d", "registry.test/app:1"),
    "list": ("list",),
    "logs": ("logs", "app"),
    "describe": ("describe", "app"),
    "wait": ("wait", "app"),
    "rebuild": ("rebuild", "app"),
    "cancel": ("cancel", "slow"),
}

_STAND_IN = f"""#!{sys.executable} -S
import json, sys
words = sys.argv[1:]
with open(sys.argv[0] + ".asked", "a") as asked:
    print(json.dumps(words), file=asked)
form = words[words.index("-o") + 1] if "-o" in words else ""
name = "slow" if "slow" in words else "app"

def made(name, namespace="team"):
    return dict(
        apiVersion="yadokari.dev/v1alpha1", kind="ImageBuild",
        metadata=dict(name=name, namespace=namespace, generation=1),
        status=dict(
            observedGeneration=1, phase="Building" if name == "slow" else "Succeeded", run=dict(pod="app-1"),
        ),
    )

build = made(name)
if "gone" in words:
    sys.exit('imagebuilds.yadokari.dev "gone" not found')
if words[0] == "logs":
    print("2026-01-02T03:04:05Z hello")
elif "--watch" in words:
    print(json.dumps(dict(type="ADDED", object=build)))
elif words[:2] == ["get", "pod"]:
    print(json.dumps(dict(status=dict(phase="Succeeded"))))
elif form == "json":
    is_list = words[0] == "get" and name not in words
    print(json.dumps(dict(items=[made(*it.split()) for it in {{builds!r}}]) if is_list else build))
elif form == "yaml":
    print("kind: ImageBuild")
elif form == "name":
    print(f"imagebuild.yadokari.dev/{{name}}")
"""


class StandIn:
    """A kubectl that answers to everything, and notes what it was asked.

    It lists `builds`, each by its name and perhaps a namespace.
    """

    def __init__(self, folder: Path, *builds: str) -> None:
        program = folder / "kubectl"
        program.write_text(_STAND_IN.replace("{builds!r}", repr(builds)))
        program.chmod(0o755)
        self._asked = folder / "kubectl.asked"
        self._plugin = Plugin(str(folder))

    def run(self, *words: str) -> Said:
        return self._plugin(*words, stdin="FROM scratch\n")

    @property
    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in self._asked.read_text().splitlines()]


@pytest.fixture
def kubectl(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, "app")


def flags(verb: str) -> set[str]:
    (verbs,) = (it for it in parser()._actions if isinstance(it, argparse._SubParsersAction))
    return {name for action in verbs.choices[verb]._actions for name in action.option_strings}


def test_every_verb_has_the_flags_of_its_like_in_kubectl() -> None:
    ours = _EVERYWHERE | _OUTPUT | _CHOICE | {"--all"}
    assert {verb: flags(verb) & ours for verb in VERBS} == {
        verb: _EVERYWHERE | further for verb, (_, further) in VERBS.items()
    }
    short = {"--namespace": "-n", "--output": "-o", "--all-namespaces": "-A", "--selector": "-l"}
    for verb in VERBS:
        assert {short[name] for name in flags(verb) & short.keys()} <= flags(verb), verb


def test_help_writes_words_as_they_are_written() -> None:
    (verbs,) = (it for it in parser()._actions if isinstance(it, argparse._SubParsersAction))
    for short in verbs._choices_actions:
        sentence = verbs.choices[short.dest].description
        assert sentence[1:] == f"{short.help}."[1:]
        assert sentence[0].isupper()


@pytest.mark.parametrize("verb", RUNS)
def test_every_request_of_a_verb_is_about_the_cluster_and_namespace_that_are_asked_for(
    kubectl: StandIn, verb: str
) -> None:
    said = kubectl.run(*RUNS[verb], "-n", "team", "--context", "other")
    assert said.code == 0, said
    for words in kubectl.asked:
        assert {"--namespace=team", "--context=other"} <= {*words}


@pytest.mark.parametrize("form", ["json", "yaml", "name"])
@pytest.mark.parametrize("verb", [verb for verb, (_, its) in VERBS.items() if "--output" in its])
def test_what_is_written_is_the_resource_in_the_form_that_is_asked_for(
    kubectl: StandIn, verb: str, form: str
) -> None:
    said = kubectl.run(*RUNS[verb], "-o", form)
    assert (said.code, said.notes) == (0, "")
    name = RUNS[verb][1] if len(RUNS[verb]) > 1 else "app"
    match form:
        case "name":
            assert said.out == f"imagebuild.yadokari.dev/{name}\n"
        case "json":
            found = json.loads(said.out)
            assert found.get("items", [found])[0]["metadata"]["name"] == name
        case "yaml":
            assert yaml.safe_load(said.out)["kind"] == "ImageBuild"


def test_many_are_changed_in_documents_of_their_own(kubectl: StandIn) -> None:
    said = kubectl.run("rebuild", "app", "other", "-o", "yaml")
    assert said.out == "kind: ImageBuild\n---\nkind: ImageBuild\n"


@pytest.mark.parametrize("verb", ["list", "describe", "wait"])
def test_those_of_all_namespaces_or_with_labels_are_shown(kubectl: StandIn, verb: str) -> None:
    assert "app" in kubectl.run(verb, "-A", "-l", "app=web").out
    assert kubectl.asked[0][2:5] == ["--all-namespaces", "--selector", "app=web"]


@pytest.mark.parametrize("verb", ["describe", "wait"])
def test_what_is_of_all_namespaces_is_looked_for_in_its_own(kubectl: StandIn, verb: str) -> None:
    assert kubectl.run(verb, "-A", "-n", "other").code == 0
    first, *others = kubectl.asked
    assert "--all-namespaces" in first
    assert all(words[words.index("--namespace") + 1] == "team" for words in others)
    assert "--namespace=other" not in {word for words in kubectl.asked for word in words}


def built_again(name: str, namespace: str = "team") -> str:
    return f"{namespace}/{name} is built again: 'kubectl imagebuild logs -f {name}' follows it\n"


def test_those_with_labels_are_changed_each_in_its_namespace(tmp_path: Path) -> None:
    kubectl = StandIn(tmp_path, "app", "slow other", "app other")
    said = kubectl.run("rebuild", "-A", "-l", "app=web", "-n", "ignored")
    assert (said.code, said.notes) == (0, "")
    assert said.out == built_again("app") + built_again("slow", "other") + built_again("app", "other")
    first, *patches = kubectl.asked
    assert first[2:5] == ["--all-namespaces", "--selector", "app=web"]
    assert [words[2:5] for words in patches] == [
        ["app", "--namespace", "team"],
        ["slow", "--namespace", "other"],
        ["app", "--namespace", "other"],
    ]
    assert "--namespace=ignored" not in {word for words in kubectl.asked for word in words}


def test_of_those_that_are_not_named_those_that_build_are_cancelled(tmp_path: Path) -> None:
    kubectl = StandIn(tmp_path, "app", "slow")
    said = kubectl.run("cancel", "--all")
    assert (said.code, said.notes) == (0, "")
    assert said.out.startswith("team/slow cancelled: ")
    assert [words[2] for words in kubectl.asked if words[0] == "patch"] == ["slow"]


@pytest.mark.parametrize("builds", [(), ("app",)])
def test_where_no_build_is_cancelled_that_is_no_failure_and_told(tmp_path: Path, builds: tuple[str]) -> None:
    said = StandIn(tmp_path, *builds).run("cancel", "-l", "app=web")
    assert (said.code, said.out) == (0, "")
    assert said.notes.endswith("no build was cancelled\n")
    assert ("there are no ImageBuilds with these labels" in said.notes) == (not builds)


def test_what_fails_for_one_keeps_no_other_from_being_changed(kubectl: StandIn) -> None:
    said = kubectl.run("cancel", "app", "slow", "gone")
    assert said.code == 1
    assert said.out.startswith("team/slow cancelled: ")
    assert said.notes.splitlines() == [
        "error: team/app is not building, so there is nothing to cancel: it is Succeeded",
        'error: imagebuilds.yadokari.dev "gone" not found',
    ]


def test_the_first_of_those_with_labels_is_followed(tmp_path: Path) -> None:
    kubectl = StandIn(tmp_path, "app", "slow")
    assert kubectl.run("rebuild", "-l", "app=web", "-f").code == 0
    watched = [words for words in kubectl.asked if "--watch" in words]
    assert {words[2] for words in watched} == {"app"}


def test_all_of_a_namespace_are_described_where_none_is_named(kubectl: StandIn) -> None:
    assert kubectl.run("describe").out.startswith("Name:        app\nNamespace:   team\n")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("describe", "app", "-A"), "names are given, and -A or -l"),
        (("wait", "app", "--all"), "is said by names, or else by --all, -l or -A"),
        (("wait",), "is said by names, or else by --all, -l or -A"),
        *(((verb,), "is said by names, or else by --all or by -l") for verb in ("rebuild", "cancel")),
        # As with kubectl, where that alone changes nothing.
        (("rebuild", "-A"), "is said by names, or else by --all or by -l"),
        (("cancel", "app", "-l", "app=web"), "is said by names, or else by --all or by -l"),
        (("cancel", "--all", "-l", "app=web"), "is said by names, or else by --all or by -l"),
        (("cancel", "app", "-A"), "names are given, and -A"),
        (("rebuild", "--all", "-A", "-f"), "leave out -f or -A"),
    ],
)
def test_names_and_a_choice_exclude_each_other(kubectl: StandIn, words: tuple[str, ...], what: str) -> None:
    said = kubectl.run(*words)
    assert (said.code, said.out) == (2, "")
    assert what in said.notes


def test_a_closed_output_is_told_and_closed_notes_are_none() -> None:
    explain = f"{sys.executable} -m kubectl_imagebuild explain"
    closed = subprocess.run(["sh", "-c", f"{explain} StepFailed >&-"], capture_output=True, text=True)
    assert (closed.returncode, closed.stderr) == (1, "error: standard output is closed\n")
    silent = subprocess.run(["sh", "-c", f"{explain} NoSuchReason 2>&-"], capture_output=True, text=True)
    assert (silent.returncode != 0, silent.stdout) == (True, "")


class _Interrupted(io.StringIO):
    """Takes nothing, as a queue does whose lock an interrupt has come for (threading.Condition)."""

    def write(self, text: str, /) -> int:
        try:
            raise KeyboardInterrupt
        finally:
            threading.Lock().release()


def test_an_interrupt_that_a_lock_answers_for_is_one() -> None:
    notes = io.StringIO()
    assert run(["explain", "StepFailed"], {}, _Interrupted(), notes) == 130
    assert notes.getvalue() == ""
