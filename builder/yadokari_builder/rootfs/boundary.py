"""What of a file system belongs to an image, and what does not."""

from dataclasses import dataclass, field
from pathlib import Path

from yadokari_builder.rootfs.paths import parents


@dataclass(frozen=True, slots=True)
class Boundary:
    """A root whose tree is an image's, but for what is excluded.

    `excluded` holds absolute in-root paths (mount points, the runtime's directory, ignored paths); they and
    everything below them are never written, deleted, descended into or snapshotted.
    """

    root: Path
    excluded: frozenset[str] = frozenset()
    prefix: str = field(init=False)
    _above: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        prefix = str(self.root)
        object.__setattr__(self, "prefix", "" if prefix == "/" else prefix)
        object.__setattr__(
            self, "_above", frozenset(parent for path in self.excluded for parent in parents(path))
        )

    def host(self, path: str) -> str:
        """Return where an in-root path is for the operating system; the root itself is no link there."""
        return self.prefix + path

    def is_excluded(self, path: str) -> bool:
        """Tell whether a path is excluded itself or lies below one that is."""
        if "/" in self.excluded:
            return True
        # From the top: most paths soon part from the way to anything excluded, however long they are.
        end = 0
        while end >= 0:
            end = path.find("/", end + 1)
            top = path if end < 0 else path[:end]
            if top not in self._above:
                return top in self.excluded
            if top in self.excluded:
                return True
        return False

    def barrier(self, path: str) -> str | None:
        """Return the excluded path that a path is or lies below, the nearest one; None where none is."""
        return next((each for each in (path, *parents(path)) if each in self.excluded), None)

    def has_excluded_below(self, path: str) -> bool:
        """Tell whether something excluded lies below a path: it can then be neither removed nor replaced."""
        return path in self._above

    @property
    def above(self) -> frozenset[str]:
        """The directories that lead to what is excluded and are not so themselves, but for the root."""
        return frozenset(path for path in self._above if path != "/" and not self.is_excluded(path))
