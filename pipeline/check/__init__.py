"""What is wrong with a set of manifests, or what a person would want to know of it."""
