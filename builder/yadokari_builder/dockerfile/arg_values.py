"""Values of ARGs: build arguments, defaults and what is inherited."""

from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping

from yadokari_builder.dockerfile.directives import DEFAULT_ESCAPE
from yadokari_builder.dockerfile.expand import Variables
from yadokari_builder.dockerfile.instructions import Arg, Instruction
from yadokari_builder.dockerfile.location import blaming
from yadokari_builder.dockerfile.predefined import needs_declaration


def meta_values(
    meta_args: tuple[Arg, ...],
    predefined: Mapping[str, str],
    build_args: Mapping[str, str],
    escape: str = DEFAULT_ESCAPE,
) -> dict[str, str]:
    """Return what FROM sees: the ARGs before the first FROM on top of the predefined platform arguments.

    An ARG without a value is not there. Raises DockerfileError.
    """
    values = {**predefined, **{name: build_args[name] for name in predefined if name in build_args}}
    for arg in meta_args:
        with blaming(arg.location, arg.original):
            for name, default in arg.pairs:
                if name in build_args:
                    values[name] = build_args[name]
                elif default is not None:
                    values[name] = Variables(values, escape).word(default)
    return values


def stage_values(
    arg: Arg, variables: Variables, meta_env: Mapping[str, str], build_args: Mapping[str, str]
) -> tuple[tuple[str, str | None], ...]:
    """Return the names that an ARG within a stage declares with their values, None for those without one.

    A build argument comes first, then the default, then the value from before the first FROM. A default is
    evaluated only if it counts, and sees the names before it in the same ARG: those that have no value are
    empty, and declared all the same. `variables` learns what is undefined. Raises DockerfileError.
    """
    values: list[tuple[str, str | None]] = []
    declared: set[str] = set()
    known: dict[str, str] = {}
    # Only the first of the maps is ever written to.
    own = Variables(ChainMap(known, variables.env), variables.escape)  # type: ignore[arg-type]
    with blaming(arg.location, arg.original):
        for name, default in arg.pairs:
            if name in build_args:
                value: str | None = build_args[name]
            elif default is not None:
                value = own.word(default)
            else:
                value = meta_env.get(name)
            variables.undefined += (used for used in own.undefined if used not in declared)
            own.undefined.clear()
            declared.add(name)
            if value is not None:
                known[name] = value
            values.append((name, value))
    return tuple(values)


def unused(build_args: Collection[str], instructions: Iterable[Instruction]) -> tuple[str, ...]:
    """Return the names of build arguments that no ARG declares and that have no effect without one."""
    declared = {name for arg in instructions if isinstance(arg, Arg) for name, _ in arg.pairs}
    return tuple(sorted(name for name in build_args if needs_declaration(name) and name not in declared))
