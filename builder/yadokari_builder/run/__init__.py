"""How a RUN step is executed: its process, its environment, its mounts, and what is kept out of its reach."""
