"""The base of what goes wrong and is told in a sentence."""


class UserError(Exception):
    """Something that the person who typed a command can do something about: said without a traceback."""
