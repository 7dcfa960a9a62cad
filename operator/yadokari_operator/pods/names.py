"""Names of what a build owns: derived from its run, so that making it twice is harmless.

A *run* is one build of one set of inputs; an *errand* is a verb of the executor that a small pod does for it.
"""

import hashlib
import re
from collections.abc import Collection

from yadokari_api.keys import RUN_DIGITS
from yadokari_contract.verbs import INDEX, RESOLVE

LONGEST = 63
"""What Kubernetes allows a label's value and a host name."""

ERRANDS = (INDEX.name, RESOLVE.name)
"""Verbs that a small pod does for a build."""

_HASH = 10
_RUN = rf"[0-9a-f]{{{RUN_DIGITS}}}"
_PART = r"linux-[a-z0-9]+(?:-v[0-9]+)?"
_CONTEXT = "context"


def label_value(build: str) -> str:
    """Give the value of `LABEL_BUILD` for an ImageBuild of this name; the owner's UID tells for sure."""
    return _shortened(build, LONGEST)


def dockerfile_name(build: str, run: str) -> str:
    """Name the ConfigMap that holds the Dockerfile."""
    return _joined(build, run)


def context_name(build: str, run: str, number: int = 1) -> str:
    """Name the ConfigMap that holds the build context, or the `number`-th part of it."""
    return _joined(build, f"{run}-{_CONTEXT}" + (f"-{number}" if number > 1 else ""))


def pod_name(build: str, run: str, attempt: int, part: str = "") -> str:
    """Name the pod of an attempt, which is counted from 1; `part` is the word of one of several platforms."""
    return _joined(build, f"{run}-{part}-{attempt}" if part else f"{run}-{attempt}")


def parse_pod_name(build: str, name: str) -> tuple[str, int, str] | None:
    """Tell run, attempt and part from a pod's name; `None` if no pod of this build is called so."""
    found = re.fullmatch(rf".+-({_RUN})(?:-({_PART}))?-([1-9][0-9]{{0,8}})", name)
    if found is None or pod_name(build, found[1], int(found[3]), found[2] or "") != name:
        return None
    return found[1], int(found[3]), found[2] or ""


def run_in(build: str, pod: str | None) -> str:
    """Tell the run that a pod is named by; empty if there is none."""
    named = parse_pod_name(build, pod or "")
    return named[0] if named else ""


def errand_name(build: str, verb: str, token: str, number: int) -> str:
    """Name the `number`-th pod of an errand; `token` is as many hexadecimal digits as a run has."""
    return _joined(build, f"{token}-{verb}-{number}")


def free_number(build: str, verb: str, token: str, number: int, taken: Collection[str]) -> int:
    """Give the number of an errand's next pod, or a later one where names before it are taken."""
    while errand_name(build, verb, token, number) in taken:
        number += 1
    return number


def parse_errand_name(build: str, name: str) -> tuple[str, str, int] | None:
    """Tell verb, token and number from a pod's name; `None` if no errand's pod of this build is called so."""
    found = re.fullmatch(rf".+-({_RUN})-({'|'.join(ERRANDS)})-([1-9][0-9]{{0,8}})", name)
    if found is None or errand_name(build, found[2], found[1], int(found[3])) != name:
        return None
    return found[2], found[1], int(found[3])


def part_in(build: str, pod: str) -> str:
    """Tell the platform's part of a pod's name; empty if there is none."""
    named = parse_pod_name(build, pod)
    return named[2] if named else ""


def parse_config_map_name(build: str, name: str) -> str | None:
    """Tell the run from a ConfigMap's name; `None` if no ConfigMap of this build is called so."""
    found = re.fullmatch(rf".+-({_RUN})(-{_CONTEXT}(?:-([1-9][0-9]?))?)?", name)
    if found is None:
        return None
    run, part = found[1], int(found[3] or 1)
    named = context_name(build, run, part) if found[2] else dockerfile_name(build, run)
    return run if named == name else None


def _joined(build: str, suffix: str) -> str:
    return f"{_shortened(build, LONGEST - len(suffix) - 1)}-{suffix}"


def _shortened(name: str, longest: int) -> str:
    if len(name) <= longest:
        return name
    tail = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    return f"{name[: longest - _HASH - 1].rstrip('-.')}-{tail}"
