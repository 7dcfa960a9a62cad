"""What `--help` asks for: the flags of a build and the other verbs, or those of one verb."""

from collections.abc import Sequence
from typing import TextIO

from yadokari_contract.arguments import usage, usage_of
from yadokari_contract.reasons import SUCCESS
from yadokari_contract.verbs import VERBS


def run(arguments: Sequence[str], out: TextIO) -> int:
    """Write what there is to `out`; returns the exit code."""
    verb = next((verb for verb in VERBS if arguments[:1] == [verb.name]), None)
    out.write(
        usage_of(verb) if verb else f"Builds a container image in the root of its own container.\n\n{usage()}"
    )
    return SUCCESS
