"""The Dockerfile language: text in, values out."""
