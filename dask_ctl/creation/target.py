"""The class or function that a spec names: imported, and looked at before it is called."""

from __future__ import annotations

import importlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from dask_ctl.creation.factories import makes_clusters
from dask_ctl.creation.missing import import_failed, no_such_name
from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.located import Located
from dask_ctl.spec.trust import code_from
from dask_ctl.spec.values import expand

_MISSING: Final = object()


def load(tree: Located) -> Any:
    """Import what a spec names, and check that it makes clusters.

    Parameters
    ----------
    tree : Located
        The resolved spec; variables in its two names are replaced.

    Raises
    ------
    BackendError
        If the module cannot be imported.
    InvalidSpecError
        If it lacks the name, or the name is nothing that makes a cluster.
    """
    module, name = (
        expand(tree.value[key], (key,), os.environ).value for key in ("module", "class")
    )
    return load_named(module, name, tree.origin_of(("module",)), tree.origin_of(("class",)))


def load_named(module: str, name: str, module_origin: object, name_origin: object) -> Any:
    """The same for names that stand somewhere else, such as in a record."""
    try:
        with code_from(), _signals_kept():
            imported = importlib.import_module(module)
            target = getattr(imported, name, _MISSING)
    except InvalidSpecError:  # not to be trusted
        raise
    except Exception as error:  # of a lazy module the import may fail late
        raise import_failed(module, name, module_origin, error) from error
    if target is _MISSING:
        modules = {key for key, part in vars(imported).items() if isinstance(part, ModuleType)}
        public = sorted(set(dir(imported)) - modules)
        raise no_such_name(module, name, public, name_origin)
    if not makes_clusters(module, name, target):
        raise InvalidSpecError(
            f"{module}.{name} is not a cluster class, nor a function that returns a cluster",
            remedy="name one, such as dask.distributed.LocalCluster; a function of your own says "
            "so by a parameter 'asynchronous' or its return annotation, and dask's configuration "
            "of what you trust by 'ctl.trusted'",
            origin=name_origin,
            key="class",
        )
    return target


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep Ctrl-C what it was, and let a module be imported in any thread.

    Importing a backend may replace the handler of SIGINT, which fails off the main thread
    (dask-jobqueue 0.9 does, for its runners).
    """
    if threading.current_thread() is threading.main_thread():
        before = signal.getsignal(signal.SIGINT)
        try:
            yield
        finally:
            if before is not None and signal.getsignal(signal.SIGINT) is not before:
                signal.signal(signal.SIGINT, before)
        return
    real, importer = signal.signal, threading.current_thread()

    def unless_importing(signalnum: int, handler: Any) -> Any:
        if threading.current_thread() is importer:
            return signal.getsignal(signalnum)
        return real(signalnum, handler)

    signal.signal = unless_importing
    try:
        yield
    finally:
        signal.signal = real
