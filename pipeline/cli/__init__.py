"""The commands of `flowtier` that need no worker, one file each."""
