"""The two ways a command ends without success that are not bugs."""


class UserError(ValueError):
    """What the user asked for cannot be done as it stands; the message says what, where and how to mend it.

    The command line prints it as one line and exits with status 2.
    """


class WorkFailed(RuntimeError):
    """The input was good and the work was tried, but its outcome is not acceptable; exit status 1."""
