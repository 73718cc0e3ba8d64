"""The page "When it says..." holds every message of the code, and no other.

The messages are read from the code: whatever is given to a parameter ``problem`` or ``reason``,
to click's errors and to the logger. A part that is known only at run time is a placeholder: it is
an expression there, ``{name}`` on the page.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from dask_ctl import exceptions
from tests.conftest import ROOT
from tests.spec.bad_specs import BAD_SPECS, BadSpec

PAGE = (ROOT / "docs" / "messages.md").read_text()
PACKAGE = ROOT / "dask_ctl"
PARAMETERS = {"problem", "reason"}
CLICK = {"UsageError", "BadParameter"}
LOGGER = {"info", "warning", "error", "exception"}

Decided = dict[str, bool]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def normal(message: str) -> str:
    """A message whose placeholders have no names, quoted or not."""
    return re.sub(r"(['\"]?)\{[^{}]*\}\1", "{}", message)


# -- the page


def entries() -> Iterator[tuple[list[str], str]]:
    """The messages of each entry of the page, and what it says about them."""
    for terms, text in re.findall(r"^(`.*)\n: ((?:.+\n?)+)", PAGE, re.MULTILINE):
        yield re.findall(r"`([^`]+)`", terms), text


PAGE_MESSAGES = [message for terms, _ in entries() for message in terms]


# -- the code


def takers() -> dict[str, tuple[int, str]]:
    """What takes a message: its name, and which parameter that is."""
    found: dict[str, tuple[int, str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function) and node.name != "__init__":
                names = [arg.arg for arg in node.args.args if arg.arg not in ("self", "cls")]
            elif isinstance(node, ast.ClassDef):
                fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
                names = [ast.unparse(field.target) for field in fields]
            else:
                continue
            for parameter in PARAMETERS & set(names):
                found[node.name] = (names.index(parameter), parameter)
    kinds = (kind for kind in vars(exceptions).values() if isinstance(kind, type))
    errors = [kind for kind in kinds if issubclass(kind, exceptions.DaskCtlError)]
    found |= {kind.__name__: (0, "problem") for kind in errors}
    return found


class Scope:
    """A function, in which names stand for texts."""

    def __init__(self, module: ModuleType, function: ast.AST) -> None:
        self.module = module
        arguments = getattr(function, "args", ast.arguments([], [], None, [], [], None, []))
        self.parameters = {arg.arg for arg in (*arguments.args, *arguments.kwonlyargs)}
        self.assigned: dict[str, list[ast.expr]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                self._assign(node.targets[0], node.value)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for part, inner in zip(target.elts, value.elts, strict=True):
                self._assign(part, inner)
        elif isinstance(target, ast.Name):
            self.assigned.setdefault(target.id, []).append(value)

    def texts(self, node: ast.expr, decided: Decided) -> Iterator[tuple[str, Decided]]:
        """Every text that an expression can be, with the conditions that make it that."""
        match node:
            case ast.Constant(value=str(text)):
                yield text, decided
            case ast.JoinedStr(values=parts):
                yield from self._joined(parts, decided)
            case ast.BinOp(left=left, right=right) if self._is_text(node):
                yield from self._joined([left, right], decided)
            case ast.FormattedValue(value=value):
                yield from self.texts(value, decided)
            case ast.IfExp(test=test):
                yield from self._either(node, ast.unparse(test), decided)
            case ast.Name(id=name) if any(map(self._is_text, self.assigned.get(name, []))):
                for value in self.assigned[name]:
                    yield from self.texts(value, decided)
            case ast.Name(id=name) if name.isupper():
                yield str(getattr(self.module, name)), decided
            case _:
                yield "{}", decided

    def _joined(self, parts: list[ast.expr], decided: Decided) -> Iterator[tuple[str, Decided]]:
        if not parts:
            yield "", decided
            return
        for first, then in self.texts(parts[0], decided):
            for rest, finally_ in self._joined(parts[1:], then):
                yield first + rest, finally_

    def _either(
        self, node: ast.IfExp, test: str, decided: Decided
    ) -> Iterator[tuple[str, Decided]]:
        for outcome, branch in ((True, node.body), (False, node.orelse)):
            if decided.get(test, outcome) is outcome:
                yield from self.texts(branch, {**decided, test: outcome})

    def _is_text(self, node: ast.expr) -> bool:
        if isinstance(node, ast.IfExp):
            return self._is_text(node.body) or self._is_text(node.orelse)
        if isinstance(node, ast.BinOp):
            return self._is_text(node.left) or self._is_text(node.right)
        return isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        )

    def passes_on(self, node: ast.expr) -> bool:
        """Whether a message is only handed on here, and written elsewhere."""
        if isinstance(node, ast.Name):
            return node.id in self.parameters
        return isinstance(node, ast.Attribute) or ast.unparse(node) == "str(error)"


def messages(path: Path, known: dict[str, tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """Every message of a module, with where it stands."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    module = import_module(".".join(parts).removesuffix(".__init__"))

    def visit(node: ast.AST, scope: Scope) -> Iterator[tuple[str, str]]:
        inner = Scope(module, node) if isinstance(node, Function) else scope
        given = _message(node, known) if isinstance(node, ast.Call) else None
        if given is not None and not scope.passes_on(given):
            where = f"{path.name}:{given.lineno}"
            for text, _ in scope.texts(given, {}):
                assert text != "{}", f"{where}: cannot be read"
                yield re.sub(r"%[sd]", "{}", text), where
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inner)

    tree = ast.parse(path.read_text())
    yield from visit(tree, Scope(module, ast.Module([], [])))


def _message(call: ast.Call, known: dict[str, tuple[int, str]]) -> ast.expr | None:
    match call.func:
        case ast.Attribute(value=ast.Name(id="click"), attr="FileError"):
            # click writes the sentence around the name and the reason.
            return ast.Constant("Could not open file {}: {}", lineno=call.lineno)
        case ast.Attribute(value=ast.Name(id="click"), attr=name) if name in CLICK:
            return call.args[0]
        case ast.Attribute(value=ast.Name(id="logger"), attr=name) if name in LOGGER:
            return call.args[0]
        case ast.Attribute(attr=name) | ast.Name(id=name) if name in known:
            position, parameter = known[name]
            named = {keyword.arg: keyword.value for keyword in call.keywords}
            if len(call.args) > position:
                return call.args[position]
            return named.get(parameter)
    return None


CODE_MESSAGES = {
    normal(text): where
    for known in [takers()]
    for path in sorted(PACKAGE.rglob("*.py"))
    for text, where in messages(path, known)
}


@pytest.mark.parametrize("message", CODE_MESSAGES)
def test_every_message_stands_on_the_page(message: str) -> None:
    """Whatever the code can say is explained."""
    assert message in set(map(normal, PAGE_MESSAGES)), CODE_MESSAGES[message]


def test_the_page_has_nothing_else() -> None:
    """No message is explained that the code does not have, and none twice."""
    assert [message for message in PAGE_MESSAGES if normal(message) not in CODE_MESSAGES] == []
    assert len(PAGE_MESSAGES) == len(set(map(normal, PAGE_MESSAGES)))


@pytest.mark.parametrize("entry", list(entries()), ids=lambda entry: entry[0][0])
def test_every_entry_has_cause_and_remedy(entry: tuple[list[str], str]) -> None:
    """Each says what it means and, in another sentence, what to do."""
    assert len(re.findall(r"[.?:](?:\s|$)", entry[1])) >= 2


def pattern(message: str) -> str:
    """A regular expression of what a message can be in the end."""
    return ".+?".join(map(re.escape, normal(message).split("{}")))


@pytest.mark.parametrize(
    "bad",
    BAD_SPECS,
    ids=lambda bad: bad.name,
)
def test_what_bad_specs_are_told_is_on_the_page(bad: BadSpec) -> None:
    """No message of the corpus escapes the reading of the code."""
    worded = [message for message in PAGE_MESSAGES if re.search(r"\w", normal(message))]
    either = "|".join(map(pattern, worded))
    assert re.search(rf": (?:{either})(?:; |$)", bad.message)
