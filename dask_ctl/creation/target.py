"""The class or function that a spec names: imported, and looked at before it is called."""

from __future__ import annotations

import importlib
import inspect
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_type_hints

from dask_ctl.backends import room_of
from dask_ctl.creation.missing import import_failed, no_such_name
from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.located import Located
from dask_ctl.spec.trust import code_from


def load(tree: Located) -> Any:
    """Import what an expanded spec names, and check that it makes clusters.

    Raises
    ------
    BackendError
        If the module cannot be imported.
    InvalidSpecError
        If it lacks the name, or the name is nothing that makes a cluster.
    """
    module, name = (tree.value[key].value for key in ("module", "class"))
    return load_named(module, name, tree.origin_of(("module",)), tree.origin_of(("class",)))


def load_named(module: str, name: str, module_origin: object, name_origin: object) -> Any:
    """The same for names that stand somewhere else, such as in a record."""
    with code_from(), _signals_kept():
        try:
            imported = importlib.import_module(module)
        except Exception as error:
            raise import_failed(module, name, module_origin, error) from error
        try:
            target = getattr(imported, name)
        except AttributeError:
            raise no_such_name(module, name, dir(imported), name_origin) from None
        except Exception as error:  # a lazy module, whose import fails here
            raise import_failed(module, name, module_origin, error) from error
    if not makes_clusters(target):
        raise InvalidSpecError(
            f"{module}.{name} is not a cluster class, nor a function that returns a cluster",
            remedy="name one, such as dask.distributed.LocalCluster; a function of your own says "
            "so by a parameter 'asynchronous' or its return annotation",
            origin=name_origin,
            key="class",
        )
    return target


def makes_clusters(target: Any) -> bool:
    """Whether calling `target` makes a cluster, as far as can be told without calling it."""
    if inspect.isclass(target):
        return _is_cluster_class(target) or room_of(target).is_runner
    ours = str(getattr(target, "__module__", "")).startswith("dask_ctl.lifecycle")
    if ours or not inspect.isroutine(target):
        return False
    try:
        if "asynchronous" in inspect.signature(target).parameters:
            return True
        returned = get_type_hints(target).get("return")
    except (ValueError, TypeError, NameError, AttributeError):
        return False  # no signature, or annotations that cannot be read
    return inspect.isclass(returned) and (
        _is_cluster_class(returned) or room_of(returned).is_runner
    )


def has_cluster_interface(made: Any) -> bool:
    """Whether an object has what every cluster and Runner has."""
    return hasattr(made, "scheduler_address") and callable(getattr(made, "close", None))


def _is_cluster_class(target: type) -> bool:
    # Some give only their objects a scheduler_address.
    scales = hasattr(target, "scale") and hasattr(target, "adapt")
    return callable(getattr(target, "close", None)) and (
        scales or hasattr(target, "scheduler_address")
    )


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
