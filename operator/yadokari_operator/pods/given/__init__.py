"""What the executor is given: where its context is, credentials, caches, certificates to trust."""
