"""What a stage stands on: files that are put into the root when a step needs them, and not before."""

from collections.abc import Callable
from dataclasses import dataclass, field

from yadokari_builder.build.root.roots import Roots
from yadokari_builder.plan.plan import PlannedStage
from yadokari_builder.plan.steps import Files
from yadokari_builder.registry.source import LayerSource


@dataclass(slots=True)
class Ground:
    """The root under one stage.

    `needs` tells, when the root is filled, what is needed of files; `last_use` whether no other stage needs
    the files of the one that this one starts from.
    """

    roots: Roots
    stage: PlannedStage
    needs: Callable[[], Files]
    last_use: bool
    depth: Files | None = None
    is_lodged: bool = False
    """Whether the root was the base's already."""
    is_as_found: bool = False
    """Whether it is just that: no layer has been put into it since."""
    _waiting: list[LayerSource] = field(default_factory=list)

    @property
    def is_filled(self) -> bool:
        """Whether the stage's files have been put into the root."""
        return self.depth is not None

    def add(self, layer: LayerSource) -> None:
        """Take a layer whose changes are not in the root yet."""
        self._waiting.append(layer)

    def ready(self) -> bool:
        """Have the stage's files in the root as they are by now; tell whether the root was filled for that.

        Raises `SpoiledLayerError`, and what filling the root raises.
        """
        is_new = self.depth is None
        if self.depth is None:
            self.depth = self.needs()
            self.is_lodged = self.roots.fill(self.stage.base, self.depth, last_use=self.last_use)
            self.is_as_found = self.is_lodged
        waiting, self._waiting = self._waiting, []
        if waiting and self.depth is not Files.NONE:
            self.is_as_found = False
            self.roots.lay(waiting, self.depth)
        return is_new
