"""Statuses as somebody may have written them who is not the operator: all that the schema lets through."""

from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from pydantic import AfterValidator

from support.resources import DIGEST, IMAGE, time
from yadokari_api.status import Status

_TIMES = ("1970-01-01T00:00:00+14:00", "2999-12-31T23:59:59-14:00", time(-60), time(0), time(3600))
_TEXTS = ("", "busybox", "--flag=value", "-1/Succeeded", "\x1b[2J\n", "x" * 600, DIGEST, IMAGE)
_NUMBERS = (-(2**63), -1, 0, 1, 2, 2**63 - 1)


def statuses(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Status]:
    """Give statuses of which each field holds anything, or what is `known` to be worth a try."""
    return _built(Status, known)


def _built(kind: type[Any], known: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{it.name: _values(hints[it.name]) for it in fields(kind)} | known)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        is_time = any(isinstance(mark, AfterValidator) for mark in marks)
        return st.sampled_from(_TIMES) if is_time else _values(inner)
    if is_dataclass(hint) and isinstance(hint, type):
        return _built(hint, {})
    if get_origin(hint) is tuple:
        return st.lists(_values(get_args(hint)[0]), max_size=3).map(tuple)
    if hint is str:
        return st.sampled_from(_TEXTS)
    if hint is float:
        return st.sampled_from((-1.0, 0.0, 0.5, 1e300))
    if hint is int:
        return st.sampled_from(_NUMBERS)
    if type(None) in get_args(hint):
        return st.none() | st.one_of(*(_values(it) for it in get_args(hint) if it is not type(None)))
    return st.from_type(hint)
