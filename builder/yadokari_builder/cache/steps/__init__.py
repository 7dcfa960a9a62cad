"""What earlier builds left of steps: known by keys, found in stores."""
