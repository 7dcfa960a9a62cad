"""Caches of steps (RUN --mount=type=cache) from one build to the next: packed, kept, brought and unpacked."""
