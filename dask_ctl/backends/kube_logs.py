"""The logs of a cluster's pods, which need no scheduler that answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any, Final

from dask_ctl.backends import kube_api
from dask_ctl.backends.logs import Wanted
from dask_ctl.exceptions import BackendError

_POLL: Final = 1.0  # seconds, for pods that come


async def of_pods(
    name: str, place: kube_api.Place, wanted: Wanted
) -> AsyncIterator[tuple[str, str]]:
    """What is wanted of what each pod has logged, or why one has not begun.

    Raises
    ------
    BackendError
        If the cluster has no pod.
    """
    api = await kube_api.connected(place)
    namespace = api.namespace
    pods = await kube_api.pods_of(api, name, namespace)
    if not pods:
        raise BackendError(f"there is no pod of cluster {name!r}", remedy="see: kubectl get events")
    if wanted.follow:
        async with aclosing(_followed(api, name, namespace, wanted)) as pieces:
            async for piece in pieces:
                yield piece
        return
    for pod in pods:
        called, why = pod["metadata"]["name"], _not_begun(pod)
        params = _params(wanted)
        text = why or await kube_api.asked(api, "Pod", namespace, f"{called}/log", **params)
        yield called, text or ""


def _not_begun(pod: Any) -> str | None:
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    begun = any(each.get("restartCount") for each in containers)
    why = None if begun else kube_api.reason_of(pod)
    return why and f"no log yet: {why}"


def _params(wanted: Wanted) -> dict[str, str]:
    asked = {
        "tailLines": wanted.tail,
        # Kubernetes takes whole seconds, and none that are none.
        "sinceSeconds": None if wanted.since is None else max(1, math.ceil(wanted.since)),
    }
    return {key: str(value) for key, value in asked.items() if value is not None}


async def _followed(
    api: Any, name: str, namespace: str, wanted: Wanted
) -> AsyncGenerator[tuple[str, str]]:
    """What pods log, also those that come later and containers that start again, to their end."""
    news: list[tuple[str, str]] = []
    streams: dict[str, asyncio.Task[None]] = {}
    heard_until: dict[str, str] = {}
    part = _params(wanted)

    async def listen(called: str, part: dict[str, str]) -> None:
        request = api.call_api(
            "GET", namespace=namespace, url=f"pods/{called}/log", stream=True, timeout=None,
            params={"follow": "true", **part}, raise_for_status=False,
        )  # fmt: skip
        with suppress(Exception):  # of httpx: a connection may be lost
            async with request as response:
                response.raise_for_status()
                async for line in response.aiter_lines():
                    news.append((called, line))  # noqa: PERF401 -- each as it comes
        heard_until[called] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    try:
        while pods := await kube_api.pods_of(api, name, namespace):
            for called in (pod["metadata"]["name"] for pod in pods if _not_begun(pod) is None):
                if called not in streams or streams[called].done():
                    heard = heard_until.get(called)
                    of_it = {"sinceTime": heard} if heard else part
                    streams[called] = asyncio.create_task(listen(called, of_it))
            part = {}  # of what comes later all is wanted
            await asyncio.sleep(_POLL)
            while news:
                yield news.pop(0)
    finally:
        for stream in streams.values():
            stream.cancel()
