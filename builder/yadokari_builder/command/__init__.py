"""The executor's commands, one file a verb, and how they report."""
