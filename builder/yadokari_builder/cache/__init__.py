"""What earlier builds left that this one can take."""
