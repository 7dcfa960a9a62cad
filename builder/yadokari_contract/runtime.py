"""The executor's own files, all in one folder of its image: its runtime."""

HOME = "/yadokari"
"""All that is mounted lies in it: there, neither mounts nor the parents that the container runtime makes for
them can get into a layer or be hidden by what a base image brings."""
WRITTEN = ("work", "tmp", "input")
"""Its folders that builds write or are given files in: volumes where it is mounted read-only."""
