"""A root, and what in it is an image's and what is ours: boundary, paths, trees, attributes, mounts, accounts."""
