"""Statuses as operators before this one wrote them, so that an upgrade builds nothing anew.

A server that has the new CRD already leaves out of them what it does not know: of such a status the hash of
the inputs, the phase and the last success are left, which is enough.
"""

from collections.abc import Mapping
from typing import Any

_OF_THE_RUN = {
    "podName": "pod",
    "attempt": "attempt",
    "retries": "retries",
    "startTime": "startedAt",
    "completionTime": "finishedAt",
    "duration": "duration",
}


def modernised(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a status in the present shape; one that is in it stays as it is.

    Earlier ones had what belongs to the run and to the image at the top, and the first one did not tell the
    last success. Where the image went is not looked for here: the spec tells.
    """
    made = dict(status)
    if "run" not in status:
        run = {new: status[old] for old, new in _OF_THE_RUN.items() if old in status}
        made |= {"run": {"number": 1, **run}} if run or status.get("inputsHash") else {}
    if status.get("phase") == "Succeeded":
        made |= _success(status)
    return made


def _success(status: Mapping[str, Any]) -> dict[str, Any]:
    last = status.get("lastSucceeded") or {}
    inputs = status.get("inputsHash")
    known = last.get("digest") if isinstance(last, Mapping) and last.get("inputsHash") == inputs else None
    digest = status.get("digest") or known
    made: dict[str, Any] = {}
    if "output" not in status and digest:
        made["output"] = {"image": "", "digest": digest, "ref": ""}
    if not last and digest:
        time = status.get("completionTime") or ""
        made["lastSucceeded"] = {"digest": digest, "time": time, "inputsHash": inputs}
    return made
