"""A folder as a build context: in ConfigMaps where it fits, in a registry where it does not."""
