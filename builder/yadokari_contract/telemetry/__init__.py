"""OpenTelemetry as both sides speak it: spans, how they are written, and where they go."""
