"""The meaning of a change of policies without any flow: which permissions it gives and takes."""
