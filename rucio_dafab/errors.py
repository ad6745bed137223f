"""The root of this project's errors, so that every front end can tell a refusal from a fault."""


class DafabError(Exception):
    """A refusal that the user can act on: one line that names what is wrong and where.

    Command lines print its text alone and exit with :attr:`exit_code`; the HTTP service maps subclasses to statuses in
    one table (``rucio_dafab/service/errors.py``). Anything else that is raised is a fault and keeps its traceback.
    """

    exit_code: int = 1


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception of others says, or its class where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
