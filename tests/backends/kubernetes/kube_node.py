"""A Kubernetes node that runs each container's command as a process of this machine.

Faked: no image can be had of ``nowhere/``; any other is ignored, and a command runs in this
Python's environment; so are resources, volumes, and probes of other kinds than HTTP; when one of a
pod's containers ends, all start again.
Each pod has a loopback address of its own (127.77.x.y), and what listens on all addresses in a
container listens on that one. There is no DNS: a Service's name is replaced by
the address of a pod.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
from kube_store import Key, Object, Store, now

_GRACE: Final = 10.0
# A real one waits 10 s, then ever longer. Each restart is an event, and all events are kept.
_BACK_OFF: Final = 1.0
_SERVICE: Final = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc\.cluster\.local")
_VARIABLE: Final = re.compile(r"\$\((\w+)\)")


class Node:
    """Runs the pods of a store, with their logs in a folder."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self._addresses = (f"127.77.{i}.{j}" for i, j in itertools.product(range(1, 250), repeat=2))
        self._running: dict[str, asyncio.Task[None]] = {}

    def log(self, key: Key, query: Mapping[str, str]) -> str:
        """What a pod has logged; when, is taken from the times that logging writes."""
        lines = self._log_of(key).read_text(errors="replace").splitlines(keepends=True)
        since = None
        if "sinceSeconds" in query:
            since = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
        elif "sinceTime" in query:
            since = datetime.fromisoformat(query["sinceTime"])
        if since is not None:
            oldest = since.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            lines = [line for line in lines if line[:1].isdigit() and line >= oldest]
        kept = min(int(query.get("tailLines", len(lines))), len(lines))
        return "".join(lines[len(lines) - kept :])

    def size_of_log(self, key: Key) -> int:
        return self._log_of(key).stat().st_size

    async def log_since(self, key: Key, seen: int) -> AsyncIterator[bytes]:
        """What a pod logs from a place in its log on, until it is deleted."""
        while key in self.store.objects:
            data = self._log_of(key).read_bytes()
            if new := data[seen:]:
                yield new
            seen = len(data)
            await asyncio.sleep(0.1)

    def _log_of(self, key: Key) -> Path:
        path = self.folder / f"{key.namespace}-{key.name}.log"
        path.touch()
        return path

    async def run(self) -> None:
        """Run every pod there is, until cancelled; then end them all."""
        try:
            while True:
                bell = self.store.bell
                for key, pod in list(self.store.objects.items()):
                    uid = pod["metadata"]["uid"]
                    if key.plural == "pods" and uid not in self._running:
                        self._running[uid] = asyncio.create_task(self._pod(key))
                await bell.wait()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _doomed(self, key: Key) -> bool:
        return "deletionTimestamp" in self.store.objects[key]["metadata"]

    async def _pod(self, key: Key) -> None:
        """Run a pod's containers, again when they end, until the pod is deleted."""
        spec = self.store.objects[key]["spec"]
        if any(each["image"].startswith("nowhere/") for each in spec["containers"]):
            self._never(key, spec["containers"])
            await self._deleted(key)
        address = next(self._addresses)
        restarts = 0
        while not self._doomed(key):
            work = [
                asyncio.create_task(self._container(c, key, address)) for c in spec["containers"]
            ]
            probe = asyncio.create_task(self._report(key, address, spec["containers"], restarts))
            deletion = asyncio.create_task(self._deleted(key))
            try:
                await asyncio.wait([deletion, *work], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (probe, deletion, *work):
                    task.cancel()
                await asyncio.gather(probe, deletion, *work, return_exceptions=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(_BACK_OFF):
                    await self._deleted(key)
            restarts += 1
        self.store.remove(key, self.store.objects[key])

    def _never(self, key: Key, containers: list[Object]) -> None:
        """Say that an image cannot be had."""
        told = {"reason": "ImagePullBackOff", "message": f"no image {containers[0]['image']}"}
        states = [{"name": each["name"], "state": {"waiting": told}} for each in containers]
        status = {"phase": "Pending", "conditions": [], "containerStatuses": states}
        self.store.replace(key, copy.deepcopy(self.store.objects[key]) | {"status": status})

    async def _deleted(self, key: Key) -> None:
        while not self._doomed(key):
            await self.store.bell.wait()

    async def _report(self, key: Key, address: str, containers: list[Object], count: int) -> None:
        """Say that a pod runs, and once its containers answer, that it is ready."""
        self._status(key, address, containers, count, ready=False)
        for container in containers:
            if probe := container.get("readinessProbe", {}).get("httpGet"):
                ports = {p["name"]: p["containerPort"] for p in container["ports"]}
                port = ports.get(probe["port"], probe["port"])
                await answers(f"http://{address}:{port}{probe['path']}")
        self._status(key, address, containers, count, ready=True)

    def _status(
        self, key: Key, address: str, containers: list[Object], count: int, *, ready: bool
    ) -> None:
        conditions = [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")]
        states = [
            {
                "name": container["name"],
                "image": container["image"],
                "ready": ready,
                "restartCount": count,
                "state": {"running": {"startedAt": now()}},
            }
            for container in containers
        ]
        status = {
            "phase": "Running",
            "podIP": address,
            "conditions": conditions,
            "containerStatuses": states,
        }
        self.store.replace(key, copy.deepcopy(self.store.objects[key]) | {"status": status})

    async def _container(self, container: Object, key: Key, address: str) -> None:
        env = {e["name"]: str(e.get("value", "")) for e in container.get("env") or []}
        for name, value in env.items():
            env[name] = await self._resolved(value)
        command = [*(container.get("command") or []), *(container.get("args") or [])]
        command = [_VARIABLE.sub(lambda m: env.get(m[1], m[0]), word) for word in command]
        own = {k: v for k, v in os.environ.items() if not k.startswith(("DASK_", "KUBE"))}
        with self._log_of(key).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *local(command, address),
                env=own | env,
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            await process.wait()
        finally:
            await ended(process)

    async def _resolved(self, text: str) -> str:
        """Replace the name of a Service once there is a pod that has an address."""
        while match := _SERVICE.search(text):
            bell = self.store.bell
            service = self.store.objects.get(Key("v1", "services", match[2], match[1]))
            pods = self.store.pods_of(service) if service else []
            addresses = [pod["status"]["podIP"] for pod in pods if "podIP" in pod["status"]]
            if addresses:
                return text.replace(match[0], addresses[-1])
            await bell.wait()
        return text


def local(command: list[str], address: str) -> list[str]:
    """A container's command as one of this machine."""
    program, *rest = (word.replace("0.0.0.0", address) for word in command)
    role = program.removeprefix("dask-")
    if role not in ("scheduler", "worker"):
        return [program, *rest]
    extra = {"scheduler": ["--dashboard-address", f"{address}:8787"], "worker": ["--host", address]}
    rest = [f"{address}:8788" if word == "8788" else word for word in rest]
    return [sys.executable, "-m", "dask", role, *rest, *extra[role]]


async def answers(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.1)


async def ended(process: Any) -> None:
    """End a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
