"""From a Dockerfile to a plan: which stages a build needs, what they start from and what their steps do."""
