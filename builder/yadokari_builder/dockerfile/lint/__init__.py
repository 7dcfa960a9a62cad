"""BuildKit's 22 build checks: what is allowed in a Dockerfile and likely to be a mistake."""
