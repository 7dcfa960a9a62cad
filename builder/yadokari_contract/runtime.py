"""The executor's own files, all in one folder of its image: its runtime."""

HOME = "/yadokari"
"""All that is mounted lies in it: there, neither mounts nor the parents that the container runtime makes for
them can get into a layer or be hidden by what a base image brings."""
LOADED = (
    *("LD_AUDIT", "LD_LIBRARY_PATH", "LD_PRELOAD", "GCONV_PATH"),
    *("OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"),
)
"""Variables by which a process loads libraries from anywhere, before it can look at them."""
WRITTEN = ("work", "tmp", "input")
"""Its folders that builds write or are given files in: volumes where it is mounted read-only."""
