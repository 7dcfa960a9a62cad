"""What a plan says to people and to machines before it is carried out."""
