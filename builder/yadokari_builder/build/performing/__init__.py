"""Steps, performed: one by one, and stage by stage."""
