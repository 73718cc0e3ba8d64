"""Layers of a spec, each what one source gives, and how one is laid over another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, TypeAlias

from dask_ctl.spec.checks import is_set, wrong
from dask_ctl.spec.located import Located, Origin, merge
from dask_ctl.spec.values import is_placeholder

# Told what was overridden, by what, and why.
Note: TypeAlias = Callable[[Origin, Origin, str], None]


class Below(Enum):
    """What a layer does to what is below it."""

    ENDED = auto()  # nothing below it counts
    MERGED = auto()  # the arguments of another class are dropped
    KEPT = auto()  # it changes what it names and nothing else


@dataclass(frozen=True)
class Layer:
    """A checked part of a spec."""

    tree: Located
    below: Below = Below.MERGED


def merged(layers: Sequence[Layer], note: Note) -> Located:
    """Lay layers over each other, the first over all others."""
    tree = layers[-1].tree
    for layer in reversed(layers[:-1]):
        tree = laid_over(tree, layer, note)
    return tree


def laid_over(lower: Located, layer: Layer, note: Note) -> Located:
    """Lay one layer over what is below it.

    Raises
    ------
    InvalidSpecError
        If it has a mapping where a placeholder is below.
    """
    upper = layer.tree
    before, after = _target(lower), _target(merge(lower, upper))
    if layer.below is Below.MERGED and before not in (after, (None, None)):
        dropped = [key for key in lower.value if key not in ("version", "module", "class")]
        reason = "another class, so its " + ", ".join(dropped) + " do not apply"
        note(lower.origin, upper.origin, reason if dropped else "another class is named")
        lower = without(lower, "version", *dropped)
    for key, other in (("scale", "adapt"), ("adapt", "scale")):
        if is_set(upper.value.get(key)) and is_set(lower.value.get(other)):
            by = upper.value[key].origin
            note(lower.value[other].origin, by, f"'{other}' gives way to '{key}'")
            lower = without(lower, other)
    for key, part in upper.value.items():
        below = lower.get(key)
        if isinstance(part.value, dict) and below and is_placeholder(below.value):
            raise wrong(
                (key,),
                part.origin,
                f"cannot be laid over {below.value!r} ({below.origin})",
                "write the mapping out there",
            )
    return merge(lower, upper)


def without(tree: Located, *keys: str) -> Located:
    """The same mapping without some of its keys."""
    return replace(tree, value={k: part for k, part in tree.value.items() if k not in keys})


def _target(tree: Located) -> tuple[Any, Any]:
    module, name = tree.get("module"), tree.get("class")
    return module and module.value, name and name.value
