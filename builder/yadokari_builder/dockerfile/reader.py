"""From nodes to instructions: which function of `reading` reads which."""

from collections.abc import Callable
from dataclasses import replace

from yadokari_builder.dockerfile.instructions import Instruction
from yadokari_builder.dockerfile.location import blaming
from yadokari_builder.dockerfile.reading import commands, files, settings, stages
from yadokari_builder.dockerfile.suggestion import with_suggestion
from yadokari_builder.dockerfile.tree import Node

READERS: dict[str, Callable[[Node], Instruction]] = {
    "add": files.read_add,
    "arg": stages.read_arg,
    "cmd": commands.read_cmd,
    "copy": files.read_copy,
    "entrypoint": commands.read_entrypoint,
    "env": settings.read_env,
    "expose": settings.read_expose,
    "from": stages.read_from,
    "healthcheck": commands.read_healthcheck,
    "label": settings.read_label,
    "maintainer": settings.read_maintainer,
    "onbuild": stages.read_onbuild,
    "run": commands.read_run,
    "shell": commands.read_shell,
    "stopsignal": settings.read_stopsignal,
    "user": settings.read_user,
    "volume": settings.read_volume,
    "workdir": settings.read_workdir,
}
"""What reads each instruction, by its keyword in lower case."""


def read_instruction(node: Node) -> Instruction:
    """Return what a node says; raises DockerfileError."""
    with blaming(node.origin.location, node.origin.text):
        read = READERS.get(node.name)
        if read is None:
            message = f"unknown instruction: {node.keyword}"
            raise with_suggestion(message, node.keyword, map(str.upper, READERS), ignore_case=True)
        return replace(read(node), origin=node.origin)
