"""A root: what in it is an image's and what is not, its trees, attributes, mounts and accounts."""
