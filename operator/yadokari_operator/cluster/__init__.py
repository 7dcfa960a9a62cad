"""The API server: what is asked of it, and how.

Requests are synchronous, have a time limit and may be made from several threads. Secrets are never read.
"""
