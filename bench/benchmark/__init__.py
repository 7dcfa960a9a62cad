"""Builds, measured beside those of other builders."""
