"""Arrays with a place in the patient: volumes, files, grids, intensity scales and slices."""
