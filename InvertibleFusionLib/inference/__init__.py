"""The slice engine and its tasks: fuse and decompose."""
