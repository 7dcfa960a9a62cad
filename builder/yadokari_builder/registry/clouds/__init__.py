"""Who the executor is at a cloud, and what it is lent there, for registries and for buckets."""
