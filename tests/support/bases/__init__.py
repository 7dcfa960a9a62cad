"""The base images of the tests, made from Debian's packages."""
