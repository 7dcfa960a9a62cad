"""What an executor answers: the values, and the termination messages that carry them."""
