"""Sources with wildcards, looked up as Go's filepath.Match sees them."""

import stat

from yadokari_builder.dockerfile.filepath_match import compile_glob, split_wildcards
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.tree import SourceTree


def find(tree: SourceTree, path: str) -> list[str]:
    """Return the paths that a normalised path stands for: itself, or what matches its wildcards.

    The names before the first one with a wildcard are taken as they are and their links are followed. What
    is in a folder that matches is not looked at. Nothing matching is no error, as in BuildKit.
    """
    fixed, pattern = split_wildcards(path)
    if not pattern:
        return [fixed]
    base = tree.resolve(fixed)
    try:
        status = tree.lstat(base)
    except (FileNotFoundError, NotADirectoryError):
        raise ContextError(f"lstat {fixed}: no such file or directory") from None
    if not stat.S_ISDIR(status.st_mode):
        return []
    prefix = base.rstrip("/") + "/"
    # A class such as [^a] matches a slash, too: only without one the pattern tells the depth.
    depth = None if "[" in pattern else pattern.count("/") + 1
    glob = compile_glob(pattern)
    found = []
    levels = [(prefix, iter(tree.entries(base)))]
    while levels:
        folder, entries = levels[-1]
        entry = next(entries, None)
        if entry is None:
            levels.pop()
            continue
        name, is_folder = entry
        candidate = folder + name
        if glob.fullmatch(candidate, len(prefix)):
            found.append(candidate)
        elif len(levels) != depth and is_folder:
            levels.append((f"{candidate}/", iter(tree.entries(candidate))))
    return found
