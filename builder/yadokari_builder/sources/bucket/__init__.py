"""Objects of buckets as contexts: S3, Google Cloud Storage, Azure Blob Storage; loaded for those alone."""
