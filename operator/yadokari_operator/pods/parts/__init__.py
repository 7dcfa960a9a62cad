"""Parts of a pod: where it runs, what it may do, whom it trusts, how the executor's files come into it."""
