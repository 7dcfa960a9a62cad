"""Layers of a build: those of images on their way in, those of steps on their way out."""
