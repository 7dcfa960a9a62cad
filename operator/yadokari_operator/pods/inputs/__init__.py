"""What the image of a build is made of: what its spec says and refers to, and its hash."""
