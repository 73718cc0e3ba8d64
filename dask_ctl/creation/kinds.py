"""Whether a value is of a kind that an argument takes, as far as its class says which.

What says it are annotations, the types of numpydoc and plain defaults, of the class and of all that
it hands the argument to. Each may allow a kind, and what names none that is known here, such as a
class, allows all: no alarm is better than a false one.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

from dask_ctl.backends import Backend, signature
from dask_ctl.exceptions import Problem
from dask_ctl.spec.checks import did_you_mean, kind
from dask_ctl.spec.quantities import seconds_of

_TYPES: Final = {
    **dict.fromkeys(("bool", "boolean"), bool),
    **dict.fromkeys(("int", "integer"), int),
    **dict.fromkeys(("float", "number"), float),
    **dict.fromkeys(("str", "string"), str),
    **dict.fromkeys(("list", "tuple", "sequence", "set", "iterable", "collection"), list),
    **dict.fromkeys(("dict", "mapping"), dict),
}
_TOLD: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a mapping",
}
_QUOTED: Final = re.compile(r"""(['"])(.*?)\1""")
_BRACKETS: Final = re.compile(r"([\w.]*)\s*[\[({]([^\[\](){}]*)[\])}]")
_TIME: Final = re.compile("time|interval|ttl|duration|stagger")
_FALSE: Final = ("false", "no", "off", "0")
_NUMBER: Final = "write a number"


@dataclass
class Kinds:
    """The kinds of values that an argument takes.

    Parameters
    ----------
    types : set of type
        Those that are known here.
    choices : list of str
        Texts that are allowed where others are not.
    open : bool
        Whether others are allowed, too.
    declared : bool
        Whether an annotation says so, rather than a docstring or a default.
    """

    types: set[type] = field(default_factory=set)
    choices: list[str] = field(default_factory=list)
    open: bool = False
    declared: bool = False

    @property
    def numbers(self) -> bool:
        """Whether numbers are among them."""
        return not self.types.isdisjoint((int, float))

    @classmethod
    @cache
    def of(cls, name: str, takers: tuple[Any, ...]) -> Kinds:
        """What is said of an argument by the classes and functions that take it."""
        found = cls()
        widened: set[type] = set()  # a default of "auto" may stand beside anything
        for given in takers:
            # A base says more of what a class calls it with by name.
            taker = given.target if isinstance(given, signature.DownFrom) else given
            for each in signature.of(taker):
                parameter = signature.parameter(each, name)
                if parameter is None:
                    continue
                if parameter.annotation is not parameter.empty:
                    found.add(inspect.formatannotation(parameter.annotation).strip("'"))
                    found.declared = True
                default = type(parameter.default)
                (found.types if default in (bool, int, float) else widened).add(default)
            for base in signature.bases(taker) or (taker,):
                for documented, type_, _ in signature.documented(base):
                    if documented == name:
                        found.add(type_)
        if found.types:
            found.types |= widened
        return found

    def add(self, text: str) -> None:
        """Allow what an annotation or a docstring says: ``str | None``, ``int, optional``."""
        while match := _BRACKETS.search(text):
            word = match[1].rpartition(".")[2]
            kept = word
            if word == "Literal" or (not word and _QUOTED.search(match[2])):
                self.choices += [quoted for _, quoted in _QUOTED.findall(match[2])]
                kept = "bool" if "False" in match[2] or "True" in match[2] else ""
            elif word in ("Optional", "Union"):
                kept = match[2]
            text = text[: match.start()] + kept + text[match.end() :]
        for part in re.split(r"\||,|\bor\b", text):
            words = part.strip(" `'\"").split()
            if not words or words[0].casefold() in ("none", "optional", "default", "defaults"):
                continue
            type_ = _TYPES.get(words[0].rpartition(".")[2].casefold())
            if type_ is None or (len(words) > 1 and words[1] not in ("of", "in")):
                self.open = True
            else:
                self.types.add(type_)

    def allow(self, value: Any) -> bool:
        """Whether a value is of one of them."""
        if value is None or self.open or not (self.types or self.choices):
            return True
        if isinstance(value, bool):
            return bool in self.types
        if isinstance(value, int):
            return self.numbers or (bool in self.types and value in (0, 1))
        if isinstance(value, (tuple, set)):
            return list in self.types
        return type(value) not in _TOLD or type(value) in self.types or value in self.choices

    def __str__(self) -> str:
        types = self.types - {int} if float in self.types else self.types
        told = [words for type_, words in _TOLD.items() if type_ in types]
        if self.choices:
            told.append(f"one of {', '.join(self.choices)}")
        return " or ".join(told)


@dataclass(frozen=True)
class Mistake:
    """A value of another kind.

    Parameters
    ----------
    problem : Problem
        What to say of it.
    unnoticed : bool
        Whether the class takes it for something else than what is meant. Otherwise its own error
        is what its caller expects.
    """

    problem: Problem
    unnoticed: bool = False

    @property
    def refused(self) -> bool:
        """Whether the class itself will say it."""
        return self.problem.severity == "error" and not self.unnoticed


def mistake(
    key: str, name: str, value: Any, takers: Iterable[Any], room: Backend
) -> Mistake | None:
    """What is wrong with the value of an argument, if anything can be told.

    Parameters
    ----------
    key : str
        Where it stands in the spec.
    name, value
        The argument.
    takers : iterable of class or function
        What takes it.
    room : Backend
        The room of what the spec names. A class that has none is not known well enough to say
        that it must fail.
    """
    kinds = Kinds.of(name, tuple(takers))
    if isinstance(value, str) and bool in kinds.types and str not in kinds.types:
        return _text_for_boolean(key, value, kinds)
    known = type(room) is not Backend
    counted = known and name in room.counted
    if kinds.allow(value) or type(value) in room.accepted.get(name, ()) or _is_time(name, value):
        return _too_few(key, value, room.counted[name]) if counted else None
    verdict: _Verdict | None
    if isinstance(value, str):
        verdict = _text(value, kinds, known, counted)
    elif isinstance(value, (bool, int, float)) and not kinds.types <= {list, dict}:
        verdict = _scalar(value, kinds, counted)
    else:
        verdict = _container(kinds, known)
    if verdict is None:
        return None
    severity: Literal["error", "warning"] = "error" if verdict.sure else "warning"
    found = "a fraction" if isinstance(value, float) and kinds.numbers else kind(value)
    summary = f"must be {kinds}, not {found}{verdict.so}"
    return Mistake(Problem(summary, verdict.remedy, key=key, severity=severity), verdict.unnoticed)


def _too_few(key: str, value: Any, least: int) -> Mistake | None:
    """Fewer than nothing, which a class may take for none, or divide by."""
    if type(value) not in (int, float) or value >= least:
        return None
    problem = Problem(f"must be at least {least}, not {value}", "change the value", key=key)
    return Mistake(problem, unnoticed=value < 0)


@dataclass(frozen=True)
class _Verdict:
    remedy: str
    sure: bool
    unnoticed: bool = False
    so: str = ""


def _text(value: str, kinds: Kinds, known: bool, counted: bool) -> _Verdict:
    sure = known or kinds.declared
    if kinds.numbers:
        quoted = _is_number(value)
        return _Verdict("write it without quotes", counted) if quoted else _Verdict(_NUMBER, sure)
    if kinds.choices:
        return _Verdict(did_you_mean(value, kinds.choices) or "choose one", sure)
    if list in kinds.types and dict not in kinds.types:
        letters = ", which would be taken letter by letter"
        return _Verdict("write a list: [...]", known, unnoticed=True, so=letters)
    return _Verdict("change the value", sure)


def _container(kinds: Kinds, known: bool) -> _Verdict:
    unnoticed = not kinds.numbers and bool(kinds.types & {str, list})
    return _Verdict("change the value", known or (kinds.declared and not unnoticed), unnoticed)


def _scalar(value: float, kinds: Kinds, counted: bool) -> _Verdict | None:
    """A number or a boolean for another; where text is meant, a number may be written as such."""
    if str in kinds.types:
        told = isinstance(value, bool) or kinds.declared
        return _Verdict("write it in quotes", sure=False) if told else None
    # A class may take 2.0 for a number of workers; `scale` of a spec does not.
    sure = counted and isinstance(value, float)
    return _Verdict(f"write {kinds}", sure, unnoticed=sure and float(value).is_integer())


def _text_for_boolean(key: str, text: str, kinds: Kinds) -> Mistake | None:
    """Any text counts as true."""
    summary = f"must be {kinds}, not a string"
    if text.strip().casefold() in _FALSE:
        problem = Problem(
            f"{summary}: any text counts as true", "write false, without quotes", key=key
        )
        return Mistake(problem, unnoticed=True)
    if kinds.allow(text):
        return None
    remedy = f"write {kinds}, without quotes"
    return Mistake(Problem(summary, remedy, key=key, severity="warning"))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_time(name: str, value: Any) -> bool:
    """Whether a value is a time, where one is meant: dask reads 60, ``"60"`` and ``1m`` as such."""
    return _TIME.search(name) is not None and seconds_of(value) is not None
