"""The networks, what a fusion model is, and the files that hold models."""
