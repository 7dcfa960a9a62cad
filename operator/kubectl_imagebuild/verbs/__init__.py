"""What the plugin does: a module each."""
