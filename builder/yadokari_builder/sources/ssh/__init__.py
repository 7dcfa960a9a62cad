"""Git's connections by ssh: with which keys, to servers of which keys."""
