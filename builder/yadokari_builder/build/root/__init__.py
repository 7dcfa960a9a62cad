"""The root that stages are built in: emptied, filled, put aside, or found as the container has it."""
