"""Statuses as operators before this one wrote them, so that an upgrade builds nothing anew.

A server that has the new CRD already leaves out of them what it does not know: of such a status the hash of
the inputs, the phase, the message and the last success are left, which is enough. The first version told no
last success: the digest of what it built stands in its message, and the time in its conditions.
"""

import re
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
    digest = status.get("digest") or known or _digest_in(status.get("message"))
    made: dict[str, Any] = {}
    if "output" not in status and digest:
        made["output"] = {"image": "", "digest": digest, "ref": ""}
    time = status.get("completionTime") or _time_of_success(status.get("conditions"))
    if not last and digest and time:
        made["lastSucceeded"] = {"digest": digest, "time": time, "inputsHash": inputs}
    return made


def _time_of_success(conditions: Any) -> str | None:
    found = conditions if isinstance(conditions, list) else []
    times = (
        it.get("lastTransitionTime")
        for it in found
        if isinstance(it, Mapping) and it.get("type") == "Succeeded"
    )
    return next(times, None)


def _digest_in(message: Any) -> str | None:
    found = re.search("sha256:[0-9a-f]{64}", message) if isinstance(message, str) else None
    return found and found[0]
