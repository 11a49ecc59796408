"""What the panel of InvertibleFusion is made of; a package, since Slicer takes every other file here for a module."""
