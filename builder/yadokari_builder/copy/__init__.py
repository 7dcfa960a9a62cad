"""COPY and ADD, as BuildKit's file operations do them."""
