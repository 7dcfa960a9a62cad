"""Talking to registries: pull and push (OCI distribution specification)."""
