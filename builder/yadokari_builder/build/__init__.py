"""A build from its arguments to the pushed image."""
