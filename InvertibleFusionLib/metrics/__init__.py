"""How good an image is."""
