"""The executor: builds an image in the root of its own container."""
