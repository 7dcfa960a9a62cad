"""Every rule at once: a Dockerfile is judged while it is read and evaluated."""

from collections.abc import Iterator, Mapping, Sequence

from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Instruction
from yadokari_builder.dockerfile.lint import bases, writing
from yadokari_builder.dockerfile.lint.evaluation import StageRules
from yadokari_builder.dockerfile.lint.linter import Linter
from yadokari_builder.dockerfile.listener import Listener, View
from yadokari_builder.dockerfile.parser import Dockerfile, Stage
from yadokari_builder.dockerfile.reader import read_instruction
from yadokari_builder.dockerfile.tree import Tree
from yadokari_builder.dockerfile.words import Expansion
from yadokari_builder.oci.platform import Platform


class Judge(Listener):
    """Warns of what it is shown and what it hears of; `ignore` are the context's ignore patterns."""

    def __init__(self, linter: Linter, ignore: IgnorePatterns) -> None:
        self._linter = linter
        self._ignore = ignore
        self._meta_env: Mapping[str, str] = {}
        self._declared: frozenset[str] = frozenset()
        self._stage = StageRules(linter, ignore)

    def reading(self, tree: Tree) -> Iterator[Instruction]:
        """Yield the instructions of a tree, how they are written judged; raises DockerfileError."""
        for node in tree.nodes:
            writing.check_continuation(self._linter, node)
        for node in tree.nodes:
            writing.check_node(self._linter, node)
            yield read_instruction(node)
            writing.check_description(self._linter, node)

    def look_at(self, dockerfile: Dockerfile, default_env: Mapping[str, str] | None) -> None:
        """Judge a Dockerfile as a whole.

        `default_env` is what FROM sees where nobody gives build arguments, None where that cannot be told.
        """
        writing.check_stage_names(self._linter, dockerfile.stages)
        writing.check_keyword_casing(self._linter, dockerfile.stages)
        if default_env is not None:
            bases.check_default_bases(self._linter, dockerfile, default_env)

    def bases_begin(self, dockerfile: Dockerfile, meta_env: Mapping[str, str]) -> None:
        """Note what FROMs may use."""
        self._meta_env = meta_env
        self._declared = frozenset(meta_env).union(
            name for arg in dockerfile.meta_args for name, _ in arg.pairs
        )

    def image_expanded(self, stage: Stage, image: Expansion) -> None:
        """Judge the variables of a FROM."""
        bases.check_arguments(self._linter, stage, image, self._declared)

    def platform_expanded(self, stage: Stage, platform: Expansion) -> None:
        """Judge the platform of a FROM."""
        bases.check_arguments(self._linter, stage, platform, self._declared)
        bases.check_platform(self._linter, stage, platform, self._meta_env)

    def stage_begins(self, stage: Stage, wanted: Platform, found: Platform | None) -> None:
        """Judge what a stage starts from."""
        self._stage = StageRules(self._linter, self._ignore)
        if found is not None:
            bases.check_base_platform(self._linter, stage, wanted, found)

    def instruction_read(self, instruction: Instruction, undefined: Sequence[str], view: View) -> None:
        """Judge an instruction."""
        self._stage.check(instruction, undefined, view)
