"""HTTP as registries speak it: connections, TLS, who asks, what is tried again and what a refusal means."""
