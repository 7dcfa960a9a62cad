"""What the operator and the executor share: arguments, result, exit codes."""
