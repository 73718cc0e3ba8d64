"""The objects of a Kubernetes API in memory, and what its controllers make of them.

Faked: there is no schema, no admission, no authorisation, no quota; labels and fields are
selected by equality only; of all controllers there are the ones for Deployments, ReplicaSets and
garbage, and they keep no status. A Service has no address: its status is touched
once a pod of it is ready, which is when a real one gets its endpoints.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

Object = dict[str, Any]

# apiVersion: {plural: (kind, whether it has a namespace, its subresources)}
RESOURCES: Final[dict[str, dict[str, tuple[str, bool, tuple[str, ...]]]]] = {
    "v1": {
        "events": ("Event", True, ()),
        "namespaces": ("Namespace", False, ("status",)),
        "pods": ("Pod", True, ("status", "log", "portforward")),
        "services": ("Service", True, ("status",)),
    },
    "apps/v1": {
        "deployments": ("Deployment", True, ("status",)),
        "replicasets": ("ReplicaSet", True, ("status",)),
    },
    "apiextensions.k8s.io/v1": {
        "customresourcedefinitions": ("CustomResourceDefinition", False, ("status",)),
    },
    # As in the definitions that dask-kubernetes ships: without a subresource for the status.
    "kubernetes.dask.org/v1": {
        "daskautoscalers": ("DaskAutoscaler", True, ()),
        "daskclusters": ("DaskCluster", True, ()),
        "daskjobs": ("DaskJob", True, ()),
        "daskworkergroups": ("DaskWorkerGroup", True, ()),
    },
}
# How long what lost its owner stays. A real one takes seconds, too.
GARBAGE_LAG: Final = 1.0


class Refused(Exception):
    """A request that the API answers with an error."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class Key(NamedTuple):
    """Where an object is."""

    version: str
    plural: str
    namespace: str | None
    name: str


class Event(NamedTuple):
    """What happened to an object; its place in the list is the resourceVersion."""

    type: str
    key: Key
    object: Object


class Store:
    """All objects, everything that happened to them, and a bell that rings when more does."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.events: list[Event] = []
        self.bell = asyncio.Event()
        self._orphaned: dict[Key, float] = {}

    def create(self, version: str, plural: str, namespace: str | None, given: Object) -> Object:
        kind = RESOURCES[version][plural][0]
        made = copy.deepcopy(given)
        meta = made["metadata"] = made.get("metadata") or {}
        if "name" not in meta:
            meta["name"] = meta.get("generateName", "") + secrets.token_hex(3)
        key = Key(version, plural, namespace, meta["name"])
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{plural} "{key.name}" already exists')
        if namespace is not None:
            self.find(Key("v1", "namespaces", None, namespace))
            meta["namespace"] = namespace
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
        made |= {"apiVersion": version, "kind": kind}
        if plural == "services":
            made["status"] = {"loadBalancer": {}}
        self._record("ADDED", key, made)
        return made

    def find(self, key: Key) -> Object:
        try:
            return self.objects[key]
        except KeyError:
            raise Refused(404, "NotFound", f'{key.plural} "{key.name}" not found') from None

    def replace(self, key: Key, new: Object) -> Object:
        """Put `new` in an object's place; a change of nothing is no event."""
        old = self.find(key)
        for fixed in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"):
            if fixed in old["metadata"]:
                new["metadata"][fixed] = old["metadata"][fixed]
        if new == old:
            return old
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            self.remove(key, new)
        else:
            self._record("MODIFIED", key, new)
        return new

    def delete(self, key: Key) -> Object:
        """Begin the end of an object: its finalizers, and a pod's processes, come first."""
        doomed = copy.deepcopy(self.find(key))
        if "deletionTimestamp" not in doomed["metadata"]:
            doomed["metadata"]["deletionTimestamp"] = now()
            if doomed["metadata"].get("finalizers") or key.plural == "pods":
                self._record("MODIFIED", key, doomed)
            else:
                self.remove(key, doomed)
        return doomed

    def remove(self, key: Key, last: Object) -> None:
        self._record("DELETED", key, last)
        del self.objects[key]

    def _record(self, kind: str, key: Key, new: Object) -> None:
        new["metadata"]["resourceVersion"] = str(len(self.events) + 1)
        self.objects[key] = new
        self.events.append(Event(kind, key, copy.deepcopy(new)))
        bell, self.bell = self.bell, asyncio.Event()
        bell.set()

    def select(
        self, version: str, plural: str, namespace: str | None, labels: str = "", fields: str = ""
    ) -> list[Object]:
        return [
            found
            for key, found in self.objects.items()
            if within(key, version, plural, namespace) and matches(found, labels, fields)
        ]

    async def control(self) -> None:
        """Be the controllers."""
        while True:
            bell = self.bell
            for key, found in list(self.objects.items()):
                if key in self.objects and "deletionTimestamp" not in found["metadata"]:
                    self._control(key, found)
            overdue = self._sweep()
            try:
                async with asyncio.timeout(overdue):
                    await bell.wait()
            except TimeoutError:
                pass

    def _control(self, key: Key, found: Object) -> None:
        if key.plural == "deployments":
            if not self._owned_by(found, "replicasets"):
                replicas = found["spec"].get("replicas", 1)
                spec = {"template": found["spec"]["template"], "replicas": replicas}
                self._create_owned(found, "apps/v1", "replicasets", spec)
        elif key.plural == "replicasets":
            missing = found["spec"]["replicas"] - len(self._owned_by(found, "pods"))
            for _ in range(missing):
                spec = found["spec"]["template"]["spec"]
                self._create_owned(found, "v1", "pods", spec)
        elif key.plural == "services" and any(ready(pod) for pod in self.pods_of(found)):
            served = {"type": "Served", "status": "True", "reason": "HasEndpoints"}
            status = found["status"] | {"conditions": [served]}
            self.replace(key, copy.deepcopy(found) | {"status": status})

    def pods_of(self, service: Object) -> list[Object]:
        wanted = ",".join(f"{k}={v}" for k, v in service["spec"]["selector"].items())
        return self.select("v1", "pods", service["metadata"]["namespace"], wanted)

    def _owned_by(self, owner: Object, plural: str) -> list[Object]:
        uid = owner["metadata"]["uid"]
        return [
            found
            for key, found in self.objects.items()
            if key.plural == plural
            and "deletionTimestamp" not in found["metadata"]
            and any(ref["uid"] == uid for ref in found["metadata"].get("ownerReferences", []))
        ]

    def _create_owned(self, owner: Object, version: str, plural: str, spec: Object) -> None:
        name = owner["metadata"]["name"]
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "controller": True,
            "name": name,
            "uid": owner["metadata"]["uid"],
        }
        meta = {
            "generateName": f"{name}-",
            "labels": owner["spec"]["template"]["metadata"].get("labels") or {},
            "ownerReferences": [reference],
        }
        made = {"metadata": meta, "spec": spec}
        if plural == "pods":
            made["status"] = {"phase": "Pending", "conditions": []}
        self.create(version, plural, owner["metadata"]["namespace"], made)

    def _sweep(self) -> float | None:
        """Delete what lost its owners some time ago; return when to look again."""
        living = {found["metadata"]["uid"] for found in self.objects.values()}
        orphans = {
            key
            for key, found in self.objects.items()
            if "deletionTimestamp" not in found["metadata"]
            and (owners := found["metadata"].get("ownerReferences"))
            and not any(owner["uid"] in living for owner in owners)
        }
        moment = time.monotonic()
        self._orphaned = {key: self._orphaned.get(key, moment) for key in orphans}
        for key, since in list(self._orphaned.items()):
            if moment - since >= GARBAGE_LAG:
                del self._orphaned[key]
                self.delete(key)
        waits = [since + GARBAGE_LAG - moment for since in self._orphaned.values()]
        return min(waits, default=None)


def within(key: Key, version: str, plural: str, namespace: str | None) -> bool:
    return key[:2] == (version, plural) and namespace in (None, key.namespace)


def matches(found: Object, labels: str, fields: str) -> bool:
    own = found["metadata"].get("labels") or {}
    return all(own.get(name) == value for name, value in terms(labels)) and all(
        at(found, name) == value for name, value in terms(fields)
    )


def terms(selector: str) -> list[tuple[str, str]]:
    pairs = [term.partition("=") for term in selector.split(",") if term]
    if any(not equals or name.endswith("!") for name, equals, _ in pairs):
        raise Refused(400, "BadRequest", f"this API does not know the selector {selector!r}")
    return [(name, value.removeprefix("=")) for name, _, value in pairs]


def at(found: Object, path: str) -> Any:
    value: Any = found
    for part in path.split("."):
        value = value.get(part, {})
    return value


def ready(pod: Object) -> bool:
    conditions = pod["status"]["conditions"]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def merged(old: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = merged(kept.get(name), value)
    return kept


def edited(old: Object, operations: list[Object]) -> Object:
    """Apply a JSON patch (RFC 6902) of tests, additions, replacements and removals."""
    new = copy.deepcopy(old)
    for operation in operations:
        *path, last = (
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        )
        target: Any = new
        for part in path:
            target = target[int(part) if isinstance(target, list) else part]
        place: Any = last
        if isinstance(target, list):
            place = len(target) if last == "-" else int(last)
        match operation["op"]:
            case "test":
                if (target[place] if isinstance(target, list) else target.get(place)) != (
                    operation["value"]
                ):
                    raise Refused(422, "Invalid", f"{operation['path']} has another value")
            case "remove":
                del target[place]
            case "add" if isinstance(target, list):
                target.insert(place, operation["value"])
            case "add" | "replace":
                target[place] = operation["value"]
            case other:
                raise Refused(400, "BadRequest", f"this API does not know the operation {other}")
    return new
