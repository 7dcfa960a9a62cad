"""What the operator and the executor share: arguments, reasons for failing, the result."""
