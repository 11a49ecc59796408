"""Teaching the networks: configuration, data, losses, the loop."""
