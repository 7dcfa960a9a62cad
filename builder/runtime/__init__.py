"""Assembles the runtime of the executor image; no part of what is installed."""
