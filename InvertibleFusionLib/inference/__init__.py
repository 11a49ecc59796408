"""The slice engine and its tasks: fuse, synthesize and decompose."""
