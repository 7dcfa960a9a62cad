"""A pod without a cluster: the executor image in a container as Kubernetes would run it."""
