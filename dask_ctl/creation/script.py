"""Let worker processes start from a script that has no main guard.

`multiprocessing` starts a process by importing the main file again. In a script that creates
its cluster without ``if __name__ == "__main__":`` each worker would create a cluster of its
own, and so dies. It needs nothing of the script: cloudpickle sends what `__main__` defines by
value. Python itself leaves the main file alone where the main module's spec is named
``__main__``, as for ``python -m package``, so an unguarded script gets such a spec: as far as
`distributed` asks. A process that the script itself starts fares as it does without us.
"""

from __future__ import annotations

import ast
import inspect
import multiprocessing
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from dask_ctl.backends import Backend

_GUARDS = {"__name__", "current_process", "parent_process"}


def leave_unguarded_script_alone(room: Backend, kwargs: Mapping[str, Any]) -> None:
    """Keep new processes from importing the main file again, if it has no guard.

    A script with a guard, a module, a notebook and a console keep what they have, and so does a
    script whose cluster has no such processes.

    Parameters
    ----------
    room : Backend
        The room of what is about to be called.
    kwargs : mapping
        Its arguments.
    """
    if not room.imports_main(kwargs):
        return
    main = sys.modules.get("__main__")
    if main is None or multiprocessing.parent_process() is not None:
        return
    if getattr(main, "__spec__", None) is None and _is_unguarded(main):
        main.__spec__ = _Spec("__main__", None, origin=main.__file__)


class _Spec(ModuleSpec):
    """One that has no name for whoever starts a process that is not distributed's."""

    def __getattribute__(self, name: str) -> Any:
        if name == "name" and _prepares_process(inspect.currentframe()):
            return None
        return super().__getattribute__(name)


def _prepares_process(frame: FrameType | None) -> bool:
    """Whether multiprocessing (or loky) is about to start a process for others."""
    asker = None if frame is None else frame.f_back
    if asker is None or asker.f_code.co_name != "get_preparation_data":
        return False
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("distributed."):
            return False
        frame = frame.f_back
    return True


def _is_unguarded(main: ModuleType) -> bool:
    path = getattr(main, "__file__", None)
    if not path or hasattr(main, "__IPYTHON__"):
        return False
    try:
        source = Path(path).read_bytes()
        if not any(word.encode() in source for word in _GUARDS):
            return True
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return False
    return not any(_tests_its_name(node) for node in ast.walk(tree))


def _tests_its_name(node: ast.AST) -> bool:
    """Whether a branch depends on who runs the file; ``getLogger(__name__)`` does not."""
    if isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert)):
        condition: ast.AST = node.test
    elif isinstance(node, (ast.Compare, ast.BoolOp)):
        condition = node
    elif isinstance(node, ast.Match):
        condition = node.subject
    else:
        return False
    return any(
        (isinstance(part, ast.Name) and part.id in _GUARDS)
        or (isinstance(part, ast.Attribute) and part.attr in _GUARDS - {"__name__"})
        for part in ast.walk(condition)
    )
