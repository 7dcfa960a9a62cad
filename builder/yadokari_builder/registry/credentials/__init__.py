"""Credentials for registries: the values, and where they come from, one file a kind."""
