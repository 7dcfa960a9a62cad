"""How far builds that run have come, by the logs of their executors."""
