"""Trees of a git repository, written out as files.

They come from a stranger: no name may lead out of the folder, and nothing is written through a link.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dulwich.index import Index, index_entry_from_stat
from dulwich.object_store import BaseObjectStore
from dulwich.objects import Blob, ObjectID, Tree

from yadokari_builder.errors import ContextError
from yadokari_builder.layers.allowance import Allowance, TooLargeError
from yadokari_builder.layers.tar_member import BLOCK

_SUBMODULE = 0o160000
# A commit may say any time; git's index has 32 bits for it.
_LATEST = (1 << 32) - 1
# Git LFS, docs/spec.md.
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_MAX_POINTER = 1024
_FORBIDDEN = frozenset({b"", b".", b".."})


@dataclass(slots=True)
class Checkout:
    """Writes trees of a repository that errors call `name`; files get the time `mtime`, None: now.

    What is written is taken from the `allowance`: few objects may stand for any number of files.

    `files` are those written, by path in the tree; `links` the submodules met: their folder and commit;
    `pointers` are files that stand for content which Git LFS keeps elsewhere.
    """

    store: BaseObjectStore
    name: str
    mtime: int | None
    allowance: Allowance | None = None
    files: dict[str, tuple[str, ObjectID]] = field(default_factory=dict)
    links: dict[str, tuple[Path, ObjectID]] = field(default_factory=dict)
    pointers: list[str] = field(default_factory=list)

    def find(self, tree: ObjectID, path: str) -> ObjectID | None:
        """Return the object at a path in a tree, None where nothing is there."""
        found = tree
        for part in filter(None, path.split("/")):
            entries = {name: sha for name, _, sha in self._entries(found)}
            if os.fsencode(part) not in entries:
                return None
            found = entries[os.fsencode(part)]
        return found

    def subtree(self, tree: ObjectID, path: str) -> ObjectID:
        """Return the tree at a path in a tree; raises ContextError."""
        found = self.find(tree, path)
        if found is None:
            raise ContextError(f"{self.name}: there is no {path}")
        return found

    def write(self, tree: ObjectID, folder: Path) -> None:
        """Write a tree into a folder that exists; raises ContextError for a tree that is not sound."""
        pending = [("", tree)]
        written = []
        for inside, subtree in pending:
            for name, mode, sha in self._entries(subtree):
                path = f"{inside}{os.fsdecode(name)}"
                written.append(self._write_entry(path, mode, sha, folder))
                if stat.S_ISDIR(mode):
                    pending.append((f"{path}/", sha))
        if self.mtime is not None:
            mtime = max(0, min(self.mtime, _LATEST))
            for place in written:
                os.utime(place, (mtime, mtime), follow_symlinks=False)

    def _write_entry(self, path: str, mode: int, sha: ObjectID, folder: Path) -> str:
        """Write a file, or an empty folder; returns where it is on the host."""
        place = os.path.join(folder, path)
        self._take(BLOCK)
        try:
            if stat.S_ISDIR(mode):
                os.mkdir(place)
            elif stat.S_IFMT(mode) == _SUBMODULE:
                os.mkdir(place)
                self.links[path] = (Path(place), sha)
            else:
                self._write_file(path, place, mode, sha)
                self.files[path] = (place, sha)
        except FileExistsError:
            raise ContextError(f"{self.name}: {path} is there twice") from None
        return place

    def _entries(self, sha: ObjectID) -> Iterator[tuple[bytes, int, ObjectID]]:
        tree = self._object(sha)
        if not isinstance(tree, Tree):
            raise ContextError(f"{self.name}: {sha.decode()} is no folder")
        for entry in tree.items():
            name = entry.path or b""
            if name in _FORBIDDEN or b"/" in name or b"\0" in name or name.lower() == b".git":
                raise ContextError(f"{self.name}: a file is named {os.fsdecode(name)!r}")
            if entry.mode is None or entry.sha is None:
                raise ContextError(f"{self.name}: {os.fsdecode(name)} has no content")
            yield name, entry.mode, entry.sha

    def _write_file(self, path: str, place: str, mode: int, sha: ObjectID) -> None:
        blob = self._object(sha)
        if not isinstance(blob, Blob):
            raise ContextError(f"{self.name}: {sha.decode()} is no file")
        if stat.S_ISLNK(mode):
            if b"\0" in blob.data:
                raise ContextError(f"{self.name}: the link {sha.decode()} leads to a name with a zero byte")
            os.symlink(blob.data, place)
            return
        if blob.raw_length() < _MAX_POINTER and blob.data.startswith(_POINTER):
            self.pointers.append(path)
        self._take(blob.raw_length())
        with open(place, "xb") as file:
            for chunk in blob.chunked:
                file.write(chunk)
        os.chmod(place, 0o755 if mode & 0o100 else 0o644)

    def _take(self, size: int) -> None:
        if self.allowance:
            try:
                self.allowance.take(size)
            except TooLargeError as error:
                raise ContextError(f"{self.name}: {error.message}") from None

    def _object(self, sha: ObjectID) -> object:
        try:
            return self.store[sha]
        except KeyError:
            raise ContextError(f"{self.name}: the repository lacks {sha.decode()}") from None


def write_index(path: str, checkout: Checkout) -> None:
    """Write git's index of what was checked out, so that it counts as unchanged."""
    index = Index(path, read=False)
    for name, (folder, sha) in checkout.links.items():
        index[os.fsencode(name)] = index_entry_from_stat(os.lstat(folder), sha, mode=_SUBMODULE)
    for name, (place, sha) in checkout.files.items():
        index[os.fsencode(name)] = index_entry_from_stat(os.lstat(place), sha)
    index.write()
