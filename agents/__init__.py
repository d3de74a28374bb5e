"""One agent a file: I/O around the library and nothing else."""
