"""The class or function that a spec names: imported, and looked at before it is called."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, get_type_hints

from dask_ctl.backends.runners import is_runner
from dask_ctl.exceptions import BackendError, InvalidSpecError, reason
from dask_ctl.spec.keys import did_you_mean
from dask_ctl.spec.located import Located, Origin
from dask_ctl.spec.values import expand

# What to install for the packages whose distribution has another name.
DISTRIBUTIONS: Final = {
    "coiled": "coiled",
    "dask": "dask",
    "dask_cloudprovider": "dask-cloudprovider",
    "dask_cuda": "dask-cuda",
    "dask_gateway": "dask-gateway",
    "dask_jobqueue": "dask-jobqueue",
    "dask_kubernetes": "dask-kubernetes",
    "dask_mpi": "dask-mpi",
    "dask_yarn": "dask-yarn",
    "distributed": "distributed",
}


def load(module: str, name: str, module_origin: Origin, name_origin: Origin) -> Any:
    """Import what a spec names, and check that it makes clusters.

    Parameters
    ----------
    module, name : str
        The module, and the class or function in it.
    module_origin, name_origin : Origin
        Where the spec says so.

    Raises
    ------
    BackendError
        If the module cannot be imported.
    InvalidSpecError
        If it lacks the name, or the name is nothing that makes a cluster.
    """
    imported = _import(module, module_origin)
    try:
        target = getattr(imported, name)
    except AttributeError:
        public = [word for word in dir(imported) if not word.startswith("_")]
        raise InvalidSpecError(
            f"module {module!r} has no {name!r}",
            remedy=did_you_mean(name, public) or "check the name, and the package's version",
            origin=name_origin,
            key="class",
        ) from None
    except Exception as error:  # a lazy module, whose import fails here
        raise _import_failed(module, module_origin, error) from error
    if not makes_clusters(target):
        raise InvalidSpecError(
            f"{module}.{name} is not a cluster class, nor a function that returns a cluster",
            remedy="name one, such as dask.distributed.LocalCluster; a function of your own says "
            "so by a parameter 'asynchronous' or its return annotation",
            origin=name_origin,
            key="class",
        )
    return target


def load_from(tree: Located, env: Mapping[str, str]) -> Any:
    """What a spec names; as `load`, with the variables of `env`."""
    module, name = (expand(tree.value[key], (key,), env) for key in ("module", "class"))
    return load(module, name, tree.origin_of(("module",)), tree.origin_of(("class",)))


def makes_clusters(target: Any) -> bool:
    """Whether calling `target` makes a cluster, as far as can be told without calling it."""
    if inspect.isclass(target):
        return _is_cluster_class(target) or is_runner(target)
    if not inspect.isroutine(target) or getattr(target, "__module__", None) == "dask_ctl.lifecycle":
        return False
    try:
        if "asynchronous" in inspect.signature(target).parameters:
            return True
        returned = get_type_hints(target).get("return")
    except (ValueError, TypeError, NameError, AttributeError):
        return False  # no signature, or annotations that cannot be read
    return inspect.isclass(returned) and (_is_cluster_class(returned) or is_runner(returned))


def has_cluster_interface(made: Any) -> bool:
    """Whether an object has what every cluster and Runner has."""
    return hasattr(made, "scheduler_address") and callable(getattr(made, "close", None))


def _is_cluster_class(target: type) -> bool:
    # GatewayCluster gives only its objects a scheduler_address.
    scales = hasattr(target, "scale") and hasattr(target, "adapt")
    return callable(getattr(target, "close", None)) and (
        scales or hasattr(target, "scheduler_address")
    )


def _import(module: str, origin: Origin) -> Any:
    try:
        with _signals_kept():
            return importlib.import_module(module)
    except Exception as error:
        raise _import_failed(module, origin, error) from error


def _import_failed(module: str, origin: Origin, error: Exception) -> BackendError:
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    package = (missing or module).partition(".")[0]
    if missing is None:
        problem, remedy = f"importing {module} failed: {reason(error)}", "see if the package works"
    elif package in DISTRIBUTIONS and missing == package:
        problem, remedy = (
            f"module {module!r} is not installed",
            f"pip install {DISTRIBUTIONS[package]}",
        )
    elif module == missing or module.startswith(f"{missing}."):
        problem = f"there is no module {missing!r}"
        remedy = "check the name, and that it can be imported from here"
    else:
        problem = f"importing {module} failed: there is no module {missing!r}"
        remedy = "install what it needs"
    return BackendError(problem, remedy=remedy, origin=origin, key="module")


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep Ctrl-C what it was, and let a module be imported in any thread.

    Importing dask_jobqueue replaces the handler of SIGINT, which fails off the main thread.
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
