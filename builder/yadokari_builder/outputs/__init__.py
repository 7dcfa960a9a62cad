"""Images as files: OCI layout, Docker archive, digest."""
