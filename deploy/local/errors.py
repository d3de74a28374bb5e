"""What goes wrong with the local stack, worded for the person at the terminal."""


class StackError(RuntimeError):
    """The local stack cannot be brought up; the message says what is missing and what to do."""
