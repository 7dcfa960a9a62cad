"""Tells a collector of OpenTelemetry what became of runs."""
