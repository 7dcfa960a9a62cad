"""What an image is made from: parts of a spec."""
