"""The executor's pods: how they are named, written and read."""
