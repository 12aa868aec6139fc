"""One module (or folder) per outside thing; they never import each other."""
