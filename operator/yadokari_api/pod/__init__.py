"""What a spec says of the pod that builds: the executor, and where it may run."""
