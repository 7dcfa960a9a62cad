"""The build: plan, stages, steps, outputs."""
