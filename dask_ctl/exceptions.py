"""What can go wrong: one kind of problem, which an error carries and a check lists."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal, Self

from dask_ctl import _html

logger = logging.getLogger("dask_ctl")

_PROBLEM = "__dask_ctl_problem__"


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, where it stands, and what to do about it.

    Its text is one line: ``<origin>: <key>: <what is wrong>; <what to do>``.

    Parameters
    ----------
    summary : str
        What is wrong.
    remedy : str, optional
        What to do about it.
    origin : object, optional
        Where the offending value came from: a file and line, a variable, ``dask.config.set``.
    key : str, optional
        The offending key, dotted: ``kwargs.n_workers``.
    severity : {"error", "warning", "note"}
        An error keeps a cluster from being created. A note says what was not checked.

    Examples
    --------
    >>> print(Problem("unknown key", "see below", origin="a.yaml:5", key="kwarg"))
    a.yaml:5: kwarg: unknown key; see below
    """

    summary: str
    remedy: str | None = None
    origin: Any = None
    key: str | None = None
    severity: Literal["error", "warning", "note"] = "error"

    def __str__(self) -> str:
        where = [str(part) for part in (self.origin, self.key) if part]
        what = f"{self.summary}; {self.remedy}" if self.remedy else self.summary
        return printable(": ".join([*where, what]))

    def __repr__(self) -> str:
        return f"<Problem {self.severity}: {self}>"

    def as_dict(self) -> dict[str, Any]:
        """The problem as a diagnostic of ``dask cluster spec check --output json``."""
        place = getattr(self.origin, "place", self.origin)
        return {
            "severity": self.severity,
            "summary": f"{self.key}: {self.summary}" if self.key else self.summary,
            "detail": self.remedy or "",
            "range": {
                "filename": None if place is None else str(place),
                "start": {"line": getattr(self.origin, "line", None)},
            },
        }


class InBrief:
    """Have errors of ours leave the body without the frames in which they were found.

    What is wrong is in none of them. At level DEBUG of the logger ``dask_ctl`` they stay.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, DaskCtlError) and not logger.isEnabledFor(logging.DEBUG):
            error.__traceback__ = None


class Problems(list[Problem]):
    """What a check has found, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        rows = [(problem.severity, str(problem)) for problem in self]
        return _html.table(("severity", "problem"), rows) if rows else "<pre>valid</pre>"


class DaskCtlError(Exception):
    """Base of all errors that dask_ctl raises; its text is that of its problem.

    Parameters
    ----------
    summary, remedy, origin, key
        As of `Problem`.

    Attributes
    ----------
    problem : Problem
        What is wrong.
    exit_code : int
        What the command line exits with when this error ends it.
    """

    exit_code = 1

    def __init__(
        self,
        summary: str,
        *,
        remedy: str | None = None,
        origin: object = None,
        key: str | None = None,
    ) -> None:
        self.problem = Problem(summary, remedy, origin, key)
        super().__init__(str(self.problem))

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """The error that a problem is."""
        return cls(problem.summary, remedy=problem.remedy, origin=problem.origin, key=problem.key)

    def __str__(self) -> str:
        # OSError, a base of DaskClusterConfigNotFound, has a __str__ of its own.
        return str(self.problem)


class DaskClusterConfigNotFound(DaskCtlError, FileNotFoundError):
    """No spec was found: nothing is configured, or what is configured does not exist."""

    exit_code = 3


class InvalidSpecError(DaskCtlError, ValueError):
    """A spec was found, and it is wrong.

    Attributes
    ----------
    others : tuple of Problem
        What else is wrong in the same place.
    """

    exit_code = 4
    others: tuple[Problem, ...] = ()


class BackendError(DaskCtlError, RuntimeError):
    """The backend that a good spec names is not installed, or lacks what it needs here.

    What a backend itself raises reaches its caller as it is, with a note that names the spec.
    """

    exit_code = 5


class NoSuchClusterError(DaskCtlError, LookupError, RuntimeError):
    """No running cluster has the name that was asked for, or more than one has."""

    exit_code = 6


class DiscoveryError(DaskCtlError, RuntimeError):
    """A discovery method that was asked for could not say which clusters there are."""

    exit_code = 7


class DaskCtlWarning(UserWarning):
    """Something is not as it looks: configuration is ignored, a discovery method fails."""


def printable(text: str) -> str:
    r"""A text as one line, whatever somebody has put into it, and nothing that moves a cursor.

    Examples
    --------
    >>> print(printable("red: \033[31m, and\nanother line"))
    red: \x1b[31m, and\nanother line
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def plural(n: int, what: str) -> str:
    """A number of things in words: ``1 worker``, ``2 workers``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def text_of(error: BaseException) -> str:
    """What an error of somebody else's code says, in one line; its class if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def reason(error: BaseException) -> str:
    """The same with the class before it, but for what is ours to say."""
    if isinstance(error, DaskCtlError):
        return text_of(error)
    name = type(error).__name__
    return f"{name}: {text_of(error)}" if str(error).strip() else name


def explain(error: BaseException, problem: Problem) -> None:
    """Say what an exception of somebody else's code means here, in a note of that exception.

    Whoever wrote ``except TimeoutError`` still catches it, and its traceback stays its own.

    Parameters
    ----------
    error : BaseException
        What a backend has raised.
    problem : Problem
        What the command line prints of it, in one line. The first explanation counts.
    """
    if explained(error) is None:
        setattr(error, _PROBLEM, problem)
        error.add_note(f"dask_ctl: {problem}")


def explained(error: BaseException) -> Problem | None:
    """The problem that an error is, if it is one of ours or was explained."""
    if isinstance(error, DaskCtlError):
        return error.problem
    found: Problem | None = getattr(error, _PROBLEM, None)
    return found


def exit_code_of(error: BaseException) -> int:
    """What the command line exits with for an error; one that was explained is a backend's."""
    return error.exit_code if isinstance(error, DaskCtlError) else BackendError.exit_code
