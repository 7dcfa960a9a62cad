"""RUN --mount without privilege: what a step wants, what stands in its place, and what becomes of it."""
