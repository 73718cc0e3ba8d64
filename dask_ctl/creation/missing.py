"""What to say of a module or a class that is not there: what was meant, or what to install."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dask_ctl.backends import homes, installing, rooms
from dask_ctl.exceptions import BackendError, InvalidSpecError, reason
from dask_ctl.spec.checks import did_you_mean


def no_such_name(module: str, name: str, public: Iterable[str], origin: object) -> InvalidSpecError:
    """The error of a module that lacks what a spec names as its class."""
    public = [word for word in public if not word.startswith("_")]
    same = [word for word in public if word.casefold() == name.casefold()]
    remedy = (
        did_you_mean(name, same)
        or _elsewhere(module, name)
        or did_you_mean(name, public)
        or "check the name, and the package's version"
    )
    summary = f"module {module!r} has no {name!r}"
    return InvalidSpecError(summary, remedy=remedy, origin=origin, key="class")


def import_failed(module: str, name: str, origin: object, error: Exception) -> BackendError:
    """The error of a module that cannot be imported."""
    missing = next(filter(None, map(_missing_module, _causes(error))), None)
    itself = missing is not None and (module == missing or module.startswith(f"{missing}."))
    if missing is None or not (itself or isinstance(error, ModuleNotFoundError)):
        problem, remedy = f"importing {module} failed: {reason(error)}", "see if the package works"
        if isinstance(error, ImportError):
            remedy = _elsewhere(module, name) or _pip(installing(module)) or remedy
    elif package := _package(missing, module):
        needed = "" if itself else f", which {module} needs,"
        problem, remedy = f"module {missing!r}{needed} is not installed", f"pip install {package}"
    elif itself:
        problem = f"there is no module {missing!r}"
        known = [each for room in rooms() for each in room.packages]
        remedy = (
            _elsewhere(module, name)
            or did_you_mean(module, known)
            or "check the name, and that it can be imported from here"
        )
    else:
        problem = f"importing {module} failed: there is no module {missing!r}"
        remedy = "install what it needs"
    return BackendError(problem, remedy=remedy, origin=origin, key="module")


def _package(missing: str, module: str) -> str | None:
    """What ``pip`` installs for a module that is missing while `module` is imported."""
    # A module below its package may have an extra of its own.
    return (installing(module) if "." in module else None) or installing(missing)


def _pip(package: str | None) -> str | None:
    return f"pip install {package}" if package else None


def _elsewhere(module: str, name: str) -> str | None:
    """Where a class of that name is, or what has become of it; letter case does not count.

    Of a module that is not, or nearly, one of a backend's that is not known.
    """
    root = module.partition(".")[0]
    for room in rooms():
        if name in room.gone and root in room.packages:
            return room.gone[name]
    if did_you_mean(root, [each for room in rooms() for each in room.packages]) is None:
        return None
    found = next((home for home in homes(name) if home[0] != module), None)
    return f"write 'module: {found[0]}' and 'class: {found[1]}'" if found else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    if error is not None:
        yield error
        yield from _causes(error.__cause__)


def _missing_module(error: BaseException) -> str | None:
    return error.name if isinstance(error, ModuleNotFoundError) else None
