"""What can go wrong. Every error names where the value came from, its key, and what to do."""

from __future__ import annotations


def text_of(error: BaseException) -> str:
    """What an error of somebody else's code says, in one line; its class if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def reason(error: BaseException) -> str:
    """The same with the class before it."""
    name = type(error).__name__
    return f"{name}: {text_of(error)}" if str(error).strip() else name


class DaskCtlError(Exception):
    """Base of all errors that dask_ctl raises.

    The text is one line: ``<origin>: <key>: <what is wrong>; <what to do>``.

    Parameters
    ----------
    problem : str
        What is wrong.
    remedy : str, optional
        What to do about it.
    origin : object, optional
        Where the offending value came from: a file and line, a variable, ``dask.config.set``.
    key : str, optional
        The offending key, dotted: ``kwargs.n_workers``.

    Attributes
    ----------
    exit_code : int
        What the command line exits with when this error ends it.

    Examples
    --------
    >>> print(DaskCtlError("unknown key", remedy="see below", origin="a.yaml:5", key="kwarg"))
    a.yaml:5: kwarg: unknown key; see below
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        *,
        remedy: str | None = None,
        origin: object = None,
        key: str | None = None,
    ) -> None:
        where = [str(part) for part in (origin, key) if part]
        text = ": ".join([*where, f"{problem}; {remedy}" if remedy else problem])
        # One line whatever a key or a file is called, and nothing that moves a cursor.
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))
        self.problem = problem
        self.remedy = remedy
        self.origin = origin
        self.key = key

    def __str__(self) -> str:
        # OSError, a base of DaskClusterConfigNotFound, has a __str__ of its own.
        return str(self.args[0])


class DaskClusterConfigNotFound(DaskCtlError, FileNotFoundError):
    """No spec was found: nothing is configured, or what is configured does not exist."""

    exit_code = 3


class InvalidSpecError(DaskCtlError, ValueError):
    """A spec was found, and it is wrong.

    Attributes
    ----------
    others : tuple of InvalidSpecError
        What else is wrong in the same place.
    """

    exit_code = 4
    others: tuple[InvalidSpecError, ...] = ()


class BackendError(DaskCtlError, RuntimeError):
    """The backend that a good spec names could not be imported, called or started."""

    exit_code = 5


class NoSuchClusterError(DaskCtlError, LookupError):
    """No running cluster has the name that was asked for."""

    exit_code = 6


class DiscoveryError(DaskCtlError, RuntimeError):
    """A discovery method that was asked for could not say which clusters there are."""

    exit_code = 7


class DaskCtlWarning(UserWarning):
    """Something is not as it looks: configuration is ignored, a discovery method fails."""
