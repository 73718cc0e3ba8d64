"""What a DaskCluster may hold, and what Kubernetes would refuse in it or its pods."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dask_ctl.exceptions import Problem
from dask_ctl.spec.checks import suggested

_MODE: Final = "dask_kubernetes.operator.kubecluster.kubecluster:CreateMode"  # exported nowhere
_MODES: Final = ("CREATE_ONLY", "CREATE_OR_CONNECT", "CONNECT_ONLY")
# Kubernetes' own: "Resource quantities" and "Define environment variables" of its documentation.
_QUANTITY: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123
_SERVICES: Final = ("ClusterIP", "LoadBalancer", "NodePort")
_VARIABLE: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
# What the definitions that dask-kubernetes ships require (2026.3).
_REQUIRED: Final = (
    ("metadata", "name"),
    ("spec", "worker", "spec", "containers"),
    ("spec", "scheduler", "spec", "containers"),
    ("spec", "scheduler", "service"),
)


def problems(kwargs: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the keyword arguments of a KubeCluster."""
    yield from _of_variables(kwargs.get("env"))
    yield from _of_resources(kwargs.get("resources"))
    yield from _of_manifest(kwargs.get("custom_cluster_spec"))
    yield from _of_texts(kwargs)
    for name in ("idle_timeout", "resource_timeout"):
        if isinstance(kwargs.get(name), str):
            told = "Kubernetes takes a number of seconds, and no text"
            yield Problem(told, "write a whole number: 300", key=f"kwargs.{name}")
    mode = kwargs.get("create_mode")
    if isinstance(mode, str):
        member = f"{_MODE}.{mode}" if mode in _MODES else f"{_MODE}.{_MODES[0]}"
        told = f"the text {mode!r} is no CreateMode, and the class would not heed it"
        yield Problem(told, f"write: ${{import:{member}}}", key="kwargs.create_mode")


def _of_texts(kwargs: Mapping[str, Any]) -> Iterator[Problem]:
    image, namespace = kwargs.get("image"), kwargs.get("namespace")
    if isinstance(image, str) and (not image or any(map(str.isspace, image))):
        yield Problem(
            f"{image!r} is no name of an image", "write REPOSITORY:TAG", key="kwargs.image"
        )
    if isinstance(namespace, str) and not _LABEL.fullmatch(namespace):
        told = f"{namespace!r} is no name of a namespace"
        remedy = "use lower-case letters, digits and '-'"
        yield Problem(told, remedy, key="kwargs.namespace")
    service = kwargs.get("scheduler_service_type")
    if isinstance(service, str) and service not in _SERVICES:
        told, key = "is no type of a Service", "kwargs.scheduler_service_type"
        yield Problem(f"{service!r} {told}", suggested(service, _SERVICES), key=key)
    command = kwargs.get("worker_command")
    for n, word in enumerate(command if isinstance(command, list) else ()):
        yield from _no_text(word, f"kwargs.worker_command.{n}")


def _of_variables(env: Any) -> Iterator[Problem]:
    given: list[tuple[str, Any, Any]] = []  # key, name, value
    if isinstance(env, Mapping):
        given = [(f"kwargs.env.{name}", name, value) for name, value in env.items()]
    elif isinstance(env, list):
        for n, each in enumerate(env):
            if isinstance(each, Mapping) and "name" in each:
                given.append((f"kwargs.env.{n}", each["name"], each.get("value", "")))
            else:
                remedy = "write {name: ..., value: ...}"
                yield Problem("is no variable of Kubernetes", remedy, key=f"kwargs.env.{n}")
    for key, name, value in given:
        if not _VARIABLE.fullmatch(str(name)):
            told = f"{name!r} is no name of a variable for Kubernetes"
            yield Problem(told, "use letters, digits, '_', '-' and '.', no digit first", key=key)
        yield from _no_text(value, key)


def _of_resources(resources: Any) -> Iterator[Problem]:
    for kind, given in resources.items() if isinstance(resources, Mapping) else ():
        key = f"kwargs.resources.{kind}"
        if kind not in ("limits", "requests"):
            yield Problem("is no kind of resources", "write 'limits' or 'requests'", key=key)
            continue
        for name, value in given.items() if isinstance(given, Mapping) else ():
            if isinstance(value, str) and not _QUANTITY.fullmatch(value):
                told = f"{value!r} is no quantity for Kubernetes"
                yield Problem(told, "write 500m, 2, 4G or 4Gi", key=f"{key}.{name}")
            yield from _no_text(value, f"{key}.{name}")


def _of_manifest(manifest: Any) -> Iterator[Problem]:
    if not isinstance(manifest, Mapping):  # or a file, which the class reads
        return
    key = "kwargs.custom_cluster_spec"
    if (kind := manifest.get("kind")) != "DaskCluster":
        yield Problem(f"has the kind {kind!r}", "write kind: DaskCluster", key=key)
        return
    for path in _REQUIRED:
        part: Any = manifest
        for step in path:
            part = part.get(step) if isinstance(part, Mapping) else None
        if not part:
            remedy = "see: kubectl explain daskcluster.spec --recursive"
            yield Problem(f"has no {'.'.join(path)}, which Kubernetes requires", remedy, key=key)


def _no_text(value: Any, key: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield Problem(f"must be text, not {value!r}", f"write it in quotes: '{value}'", key=key)
