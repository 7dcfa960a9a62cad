"""When an image is built again though nothing of its ImageBuild has changed."""
