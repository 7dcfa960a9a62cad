"""ImageBuild `yadokari.dev/v1alpha1`: what people write and what is reported to them."""
