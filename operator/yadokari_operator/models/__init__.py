"""ImageBuild `yadokari.dev/v1alpha1`: what people write, what the operator reports."""
