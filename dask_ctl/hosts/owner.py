"""The process that owns a cluster which was created from the command line.

``python -P -m dask_ctl.hosts.owner NAME [COMMAND...]`` reads a resolved spec from its standard
input, says on its standard output how far it is, and then belongs to nobody's terminal. A cluster
that can be found again by its name needs no owner: it is left running, and the process ends. One
that is there for a command ends with that.
"""

from __future__ import annotations

import inspect
import logging
import os
import pickle
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Any

from dask_ctl import _async, _platform
from dask_ctl.backends import Backend, room_of
from dask_ctl.creation import exits
from dask_ctl.creation.arguments import plain_arguments
from dask_ctl.creation.call import create
from dask_ctl.creation.target import load
from dask_ctl.exceptions import (
    BackendError,
    InvalidSpecError,
    exit_code_of,
    explained,
)
from dask_ctl.hosts import command
from dask_ctl.hosts import store as records
from dask_ctl.hosts.keeper import Keeper
from dask_ctl.hosts.service import Service
from dask_ctl.spec.located import Located, Origin, Source, locate, merge
from dask_ctl.spec.resolved import ResolvedSpec
from dask_ctl.spec.secrets import masked

logger = logging.getLogger("dask_ctl")


def main() -> None:
    """Create the cluster that standard input describes, and own it until it is told to stop."""
    channel = os.dup(1)
    os.dup2(2, 1)  # what a backend prints belongs into the log
    tree: Located = pickle.load(sys.stdin.buffer)  # noqa: S301 -- from what started this
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    # As Ctrl-C of a script, which everything below knows how to end in order.
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    for signalnum in _platform.ending_signals():
        signal.signal(signalnum, lambda *_: signal.raise_signal(signal.SIGINT))
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logger.setLevel(logging.INFO)
    # Else it has a line of everyone who only looks whether its scheduler listens.
    logging.getLogger("distributed.comm.tcp").setLevel(logging.WARNING)
    owner = Owner(sys.argv[1], tree, channel, sys.argv[2:])
    try:
        owner.run()
    except KeyboardInterrupt:
        owner.keeper.say(failed="stopped before it was there", exit_code=BackendError.exit_code)
        sys.exit(BackendError.exit_code)
    except (Exception, SystemExit) as error:
        problem = explained(error)
        if problem is None:
            raise
        code = exit_code_of(error)
        logger.error("nothing was created: %s", problem)  # noqa: TRY400 -- a line for its reader
        owner.keeper.say(failed=str(problem), exit_code=code)
        sys.exit(code)


class Owner:
    """The owner of one cluster.

    Parameters
    ----------
    name : str
        The name of the cluster.
    tree : Located
        Its resolved spec.
    channel : int
        The descriptor on which to say how far it is.
    command : sequence of str
        A command for whose time the cluster is there.
    """

    def __init__(self, name: str, tree: Located, channel: int, command: Sequence[str] = ()) -> None:
        self.tree = tree
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None  # of the command
        self.is_kept = False  # nobody asked for its end, so somebody may ask why
        resolved = ResolvedSpec.of(tree)
        shown = resolved.as_dict()
        record = records.Record(
            name=name,
            target=resolved.spec.target,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            spec=shown,
            adapt=shown["spec"]["adapt"],
            host=records.Host.here(),
            command=masked(shlex.join(command)) or None,
        )
        self.keeper = Keeper(record, channel)

    def run(self) -> None:
        """Create the cluster, and own it until it ends."""
        keeper = self.keeper
        keeper.add()
        try:
            keeper.say(hosted=keeper.record.name)
            cluster, can_be_left = self._create()
            room = exits.room_in_charge(cluster)
        except BaseException:
            keeper.forget()
            raise
        with ExitStack() as kept:  # until the command has ended
            try:
                if self.command:
                    environment = command.environment_for(cluster, room, os.environ, kept)
                    self.process = command.start(self.command, environment, **_platform.detached())
                    pid = self.process.pid
                    keeper.note(process={"pid": pid, "started": _platform.since_boot(pid) or 0.0})
                    if can_be_left:
                        keeper.change(cluster_name=cluster.name)
                elif can_be_left:
                    self._leave(room, cluster)
                    return
                if note := room.owner_note(keeper.record.name):
                    keeper.say(noted=note)
                service = Service(keeper, cluster, room, self.process)
                _async.run(service.serve())
                self.is_kept = service.ended_by_itself
            except BaseException:
                self._end(room, cluster)
                raise
            self._end(room, cluster)

    # -- from its beginning to its end -----------------------------------------------------------

    def _create(self) -> tuple[Any, bool]:
        resolved = ResolvedSpec.of(self.tree)
        expanded = resolved.expanded(os.environ).tree
        room = room_of(load(expanded))
        if room.launcher:
            raise InvalidSpecError(
                "a Runner lives in the ranks of its job, and not without a script",
                remedy=f"start a script there itself: {room.launcher} -n 4 python script.py",
                origin=resolved.origin,
                key="class",
            )
        tree = shareable(self.tree, room, expanded)
        if room.can_be_left and "name" in inspect.signature(room.target).parameters:
            asked = Origin(Source.ARGUMENT, "--name")
            tree = merge(tree, locate({"kwargs": {"name": self.keeper.record.name}}, asked))
        self.tree, resolved = tree, ResolvedSpec.of(tree)
        self.keeper.change(spec=resolved.as_dict())
        cluster = create(resolved, ledger=self.keeper)
        try:
            self._refuse(exits.room_in_charge(cluster), cluster)
        except InvalidSpecError:
            cluster.close()
            raise
        return cluster, room.can_be_left

    def _refuse(self, room: Backend, cluster: Any) -> None:
        if room.existed(cluster):
            raise InvalidSpecError(
                f"there is a cluster {cluster.name!r} already",
                remedy="choose another --name",
                origin=self.tree.origin_of(("kwargs", "name")),
            )
        if str(cluster.scheduler_address).startswith("inproc:"):
            raise InvalidSpecError(
                "its scheduler would listen inside its own process only",
                remedy="write 'protocol: tcp' into its kwargs",
                origin=self.tree.origin_of(("kwargs",)),
            )

    def _leave(self, room: Backend, cluster: Any) -> None:
        kwargs = self.tree.get("kwargs")
        arguments = room.remembered(cluster, kwargs.plain() if kwargs else {})
        self.keeper.change(
            status="running",
            host=None,
            cluster_name=cluster.name,
            arguments=arguments,
            place=arguments.get(room.place) if room.place else None,
            address=cluster.scheduler_address if room.by_address else None,
        )
        cluster.shutdown_on_close = False
        cluster.close()
        self.keeper.let_go()
        self.keeper.say(running=self.keeper.record.name)

    def _end(self, room: Backend, cluster: Any) -> None:
        """Close the cluster, and strike it out once nothing of it is left, within a time."""
        for signalnum in (*_platform.ending_signals(), signal.SIGINT):
            signal.signal(signalnum, signal.SIG_IGN)
        keeper = self.keeper
        logger.info("closing cluster %s", keeper.record.name)
        keeper.note(status="closing")
        deadline = time.monotonic() + keeper.stop_within
        self._end_command()
        closing = _async.in_daemon(exits.undo, cluster, room)
        try:
            closing.result(max(1.0, deadline - time.monotonic()))
        except TimeoutError:
            logger.error("its class has not closed it within %g s", keeper.stop_within)  # noqa: TRY400
            self._end_by_force(deadline)
        keeper.forget(is_kept=self.is_kept)

    def _end_command(self) -> None:
        """End the command if it still runs; write down how it has ended by itself."""
        if self.process is None:
            return
        if self.process.poll() is not None:
            code = command.exit_code(self.process)
            self.keeper.note(exit_code=code)
            logger.info("the command has ended with exit code %d", code)
            return
        logger.info("ending the command")
        _platform.end_tree(self.process.pid, min(command.TIMEOUT, self.keeper.stop_within / 2))

    def _end_by_force(self, deadline: float) -> None:
        import psutil

        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
        self.keeper.forget(is_kept=self.is_kept, deadline=deadline)
        logging.shutdown()
        os._exit(1)  # whatever hangs would hold up an orderly end


def shareable(tree: Located, room: Backend, expanded: Located) -> Located:
    """The spec of a cluster that other processes shall use.

    Parameters
    ----------
    tree : Located
        The resolved spec.
    room : Backend
        The room of what it names.
    expanded : Located
        The same spec, its variables replaced.
    """
    further = room.shareable(plain_arguments(expanded)[1])
    why = Origin(Source.FALLBACK, "so that other processes can reach it")
    return merge(tree, locate({"kwargs": further}, why)) if further else tree


if __name__ == "__main__":
    main()
