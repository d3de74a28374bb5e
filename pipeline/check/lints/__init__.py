"""The lints, a family a file."""
