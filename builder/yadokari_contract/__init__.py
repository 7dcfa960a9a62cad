"""What the operator and the executor share: arguments, reasons for failing, the result."""

VERSION = "0.1.0"
"""The distribution's version."""
