"""What comes out of a build, and where it goes."""
