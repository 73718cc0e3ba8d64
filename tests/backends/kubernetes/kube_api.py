"""A Kubernetes API server in memory: ``python kube_api.py FOLDER``, until its stdin closes.

A test fixture, with just as much of the API as dask-kubernetes and kopf use: discovery; create,
read, list, patch, delete and watch of the kinds in `kube_store.RESOURCES`; pod logs and port
forwarding. It speaks plain HTTP on loopback, and TLS on the port that ``FOLDER/tls-port`` names, by
``FOLDER/ca.crt``. Whoever has no token may do everything; what a token
may do a test writes to ``FOLDER/roles.json``, as verbs by token, namespace (``*`` is any) and
resource. While there is ``FOLDER/stalled``, it answers only those who call it ``localhost``; while
there is ``FOLDER/unseen``, no DaskCluster is found by its name, until somebody tries to make one
that is there. What else it fakes is said in `kube_store` (the objects and their controllers) and
`kube_node` (what runs the pods).
"""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
import sys
from contextlib import suppress
from pathlib import Path

import trustme
from aiohttp import WSMsgType, web
from kube_node import Node
from kube_store import (
    RESOURCES,
    Event,
    Key,
    Object,
    Refused,
    Store,
    edited,
    matches,
    merged,
    within,
)

HOST = "127.0.0.1"
NAMESPACES = ("default", "bar")
VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


class Api:
    """Answers requests from a store."""

    def __init__(self, store: Store, node: Node, folder: Path) -> None:
        self.store = store
        self.node = node
        self.roles, self.stalled = folder / "roles.json", folder / "stalled"
        self.unseen = folder / "unseen"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._handle(request)
        except Refused as error:
            status = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "code": error.code,
                "reason": error.reason,
                "message": str(error),
            }
            return web.json_response(status, status=error.code)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        while self.stalled.exists() and not request.host.startswith("localhost"):  # noqa: ASYNC110 -- a file
            await asyncio.sleep(0.05)
        self._role(request)
        match request.path.strip("/").split("/"):
            case ["version"]:
                return web.json_response({"major": "1", "minor": "33", "gitVersion": "v1.33.0"})
            case ["api"]:
                return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
            case ["apis"]:
                return web.json_response({"kind": "APIGroupList", "groups": groups()})
            case ["api", "v1", *rest]:
                return await self._resources(request, "v1", rest)
            case ["apis", group, number, *rest] if f"{group}/{number}" in RESOURCES:
                return await self._resources(request, f"{group}/{number}", rest)
        raise Refused(404, "NotFound", f"no {request.path}")

    def _role(self, request: web.Request) -> Object | None:
        """What the user may do; None for everything."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return None
        roles: Object = json.loads(self.roles.read_text())
        if token not in roles:
            raise Refused(401, "Unauthorized", "Unauthorized")
        return {"token": token, **roles[token]}

    def _authorise(
        self, request: web.Request, version: str, namespace: str | None, resource: str, name: str
    ) -> None:
        role = self._role(request)
        if role is None:
            return
        verb = VERBS.get(request.method, "get" if name else "list")
        if request.query.get("watch"):
            verb = "watch"
        for place in ("*", namespace):
            if verb in role.get(place, {}).get(resource, ()):
                return
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        group = version.rpartition("/")[0]
        full, _, subresource = resource.partition("/")
        told = f"{full}.{group}".rstrip(".") + (f"/{subresource}" if subresource else "")
        raise Refused(
            403,
            "Forbidden",
            f'{told} is forbidden: User "{role["token"]}" cannot {verb} resource "{resource}" in '
            f'API group "{group}" {where}',
        )

    async def _resources(
        self, request: web.Request, version: str, rest: list[str]
    ) -> web.StreamResponse:
        if not rest:
            return web.json_response(discovery(version))
        namespace = None
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        plural, name, subresource = [*rest, "", ""][:3]
        self._authorise(request, version, namespace, f"{plural}/{subresource}".rstrip("/"), name)
        if plural not in RESOURCES[version]:
            raise Refused(404, "NotFound", f"no {plural} in {version}")
        if not name:
            return await self._all(request, version, plural, namespace)
        return await self._one(request, Key(version, plural, namespace, name), subresource)

    async def _all(
        self, request: web.Request, version: str, plural: str, namespace: str | None
    ) -> web.StreamResponse:
        if request.method == "POST":
            try:
                made = self.store.create(version, plural, namespace, await request.json())
            except Refused:
                self.unseen.unlink(missing_ok=True)
                raise
            return web.json_response(made, status=201)
        if request.query.get("watch") in ("true", "True", "1"):
            return await self._watch(request, version, plural, namespace)
        query = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        return web.json_response(
            {
                "apiVersion": version,
                "kind": RESOURCES[version][plural][0] + "List",
                "metadata": {"resourceVersion": str(len(self.store.events))},
                "items": self.store.select(version, plural, namespace, *query),
            }
        )

    async def _one(self, request: web.Request, key: Key, subresource: str) -> web.StreamResponse:
        found = self.store.find(key)
        if key.plural == "daskclusters" and request.method == "GET" and self.unseen.exists():
            raise Refused(404, "NotFound", "not yet")
        match request.method, subresource:
            case "GET", "log":
                return await self._log(request, key)
            case "GET", "portforward":
                return await forward(request, found["status"].get("podIP", ""))
            case "GET", _:
                return web.json_response(found)
            case "DELETE", "":
                return web.json_response(self.store.delete(key))
            case "PATCH", "" | "status":
                patch, as_json = await request.json(), "json-patch" in request.content_type
                new = edited(found, patch) if as_json else merged(copy.deepcopy(found), patch)
                if subresource:
                    new = copy.deepcopy(found) | {"status": new.get("status")}
                elif "status" in RESOURCES[key.version][key.plural][2]:
                    new |= {"status": found["status"]} if "status" in found else {}
                return web.json_response(self.store.replace(key, new))
        raise Refused(405, "MethodNotAllowed", f"no {request.method} of {request.path}")

    async def _log(self, request: web.Request, key: Key) -> web.StreamResponse:
        text = self.node.log(key, request.query)
        if request.query.get("follow") != "true":
            return web.Response(text=text)
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            await response.write(text.encode())
            async for new in self.node.log_since(key, self.node.size_of_log(key)):
                await response.write(new)
        return response

    async def _watch(
        self, request: web.Request, version: str, plural: str, namespace: str | None
    ) -> web.StreamResponse:
        query = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        response = web.StreamResponse()
        response.content_type = "application/json"
        await response.prepare(request)
        seen = int(request.query.get("resourceVersion", 0))
        limit = float(request.query.get("timeoutSeconds", 3600))
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(limit):
                while True:
                    bell, events = self.store.bell, self.store.events[seen:]
                    seen += len(events)
                    for event in events:
                        if within(event.key, version, plural, namespace) and matches(
                            event.object, *query
                        ):
                            await response.write(line(event))
                    await bell.wait()
        return response


def line(event: Event) -> bytes:
    return json.dumps({"type": event.type, "object": event.object}).encode() + b"\n"


def groups() -> list[Object]:
    found = []
    for version in RESOURCES:
        group, slash, number = version.partition("/")
        if slash:
            served = {"groupVersion": version, "version": number}
            found.append({"name": group, "versions": [served], "preferredVersion": served})
    return found


def discovery(version: str) -> Object:
    verbs = ["create", "delete", "get", "list", "patch", "watch"]
    resources = []
    for plural, (kind, namespaced, subresources) in RESOURCES[version].items():
        entry = {
            "kind": kind,
            "namespaced": namespaced,
            "singularName": kind.lower(),
            "verbs": verbs,
        }
        names = [plural, *(f"{plural}/{subresource}" for subresource in subresources)]
        resources += [{**entry, "name": name} for name in names]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}


async def forward(request: web.Request, address: str) -> web.WebSocketResponse:
    """Carry bytes between a websocket's channel 0 and a port of a pod."""
    port = int(request.query["ports"])
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    for channel in (b"\0", b"\1"):  # the first message of each says whose it is
        await socket.send_bytes(channel + port.to_bytes(2, "little"))
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except OSError as error:
        await socket.send_bytes(b"\1" + str(error).encode())
        await socket.close()
        return socket

    async def back() -> None:
        with suppress(ConnectionError):
            while data := await reader.read(2**16):
                await socket.send_bytes(b"\0" + data)
        await socket.close()

    backwards = asyncio.create_task(back())
    try:
        with suppress(ConnectionError):
            async for message in socket:
                if message.type is WSMsgType.BINARY and message.data[0] == 0:
                    writer.write(message.data[1:])
                    await writer.drain()
    finally:
        backwards.cancel()
        writer.close()
    return socket


def kubeconfig(port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }


def tls(authority: Path) -> ssl.SSLContext:
    """What a server of this address needs; writes who vouches for it."""
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(HOST).configure_cert(context)
    ca.cert_pem.write_to_path(authority)
    return context


async def main(folder: Path) -> None:
    store = Store()
    for name in NAMESPACES:
        store.create("v1", "namespaces", None, {"metadata": {"name": name}})
    node = Node(store, folder)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", Api(store, node, folder).handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    for context in (None, tls(folder / "ca.crt")):
        await web.TCPSite(runner, HOST, 0, ssl_context=context).start()
    port, tls_port = (address[1] for address in runner.addresses)
    (folder / "tls-port").write_text(str(tls_port))
    work = [asyncio.create_task(store.control()), asyncio.create_task(node.run())]
    unfinished = folder / "kubeconfig.part"
    unfinished.write_text(json.dumps(kubeconfig(port)))
    unfinished.rename(folder / "kubeconfig")
    # Whoever started this holds the other end: its death ends every process here.
    stdin_closed = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([stdin_closed, *work], return_when=asyncio.FIRST_COMPLETED)
    for task in work:
        task.cancel()
    for result in await asyncio.gather(*work, return_exceptions=True):
        if not isinstance(result, asyncio.CancelledError):
            print(repr(result), file=sys.stderr)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
