"""From nodes to instructions: what BuildKit accepts and how it refuses the rest."""
