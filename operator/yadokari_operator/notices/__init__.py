"""Tells an HTTP sink when builds start, succeed and fail."""
