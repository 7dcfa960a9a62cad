"""File system layers: unpack, snapshot, pack."""
