"""What a build takes from earlier ones, and what it leaves for later ones."""
