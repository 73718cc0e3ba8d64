"""A command that finds a cluster in its environment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, Final

from dask_ctl.creation import call as factory
from dask_ctl.creation import closing
from dask_ctl.creation.target import load_from
from dask_ctl.exceptions import BackendError
from dask_ctl.management.reach import reachable
from dask_ctl.spec.resolved import ResolvedSpec

_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_PREFIX: Final = "DASK_CTL__CLUSTER_"
_TLS: Final = {
    "tls_ca_file": "DASK_DISTRIBUTED__COMM__TLS__CA_FILE",
    "tls_client_cert": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT",
    "tls_client_key": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY",
}


def require_program(command: Sequence[str]) -> None:
    """Raise `BackendError` for a command that cannot be run, before a cluster is made for it."""
    if shutil.which(command[0]) is None:
        raise BackendError(
            f"there is no program {command[0]!r}", remedy="check the command, and PATH"
        )


def create_for(resolved: ResolvedSpec) -> Any:
    """The cluster of a spec, for a command to use; what its class prints goes to standard error."""
    with redirect_stdout(sys.stderr):
        target = load_from(resolved.tree, os.environ)
        return factory.create(ResolvedSpec.of(reachable(resolved.tree, target)))


def run_with(cluster: Any, command: Sequence[str]) -> int:
    """Run a command that can use a cluster, and close the cluster when it ends.

    Parameters
    ----------
    cluster : object
        A live cluster.
    command : sequence of str
        The command and its arguments. Standard input and output, and signals, are its own.

    Returns
    -------
    code : int
        Its exit code; 128 and the signal's number if a signal ended it.

    Raises
    ------
    BackendError
        If the command cannot be started, or could not use the cluster.
    """
    try:
        # A file, since a path replaces all that is configured, where a mapping is laid over it.
        with tempfile.NamedTemporaryFile("w", suffix=".json") as spec:
            environment = environment_for(cluster, os.environ, spec.name)
            json.dump(_spec_of(cluster), spec)
            spec.flush()
            code = _run(command, environment)
    finally:
        # Whoever is impatient now would leave the cluster behind.
        for signalnum in _FORWARDED:
            signal.signal(signalnum, signal.SIG_IGN)
        closing.undo(cluster)
    return code


def environment_for(cluster: Any, env: Mapping[str, str], spec: str) -> dict[str, str]:
    """The environment in which ``Client()`` and ``create_cluster()`` find a cluster.

    Parameters
    ----------
    cluster : object
        A live cluster.
    env : mapping
        The environment to start from.
    spec : str
        The path of a spec that attaches to the cluster.

    Raises
    ------
    BackendError
        If no other process can reach it with its address alone.
    """
    address = str(cluster.scheduler_address)
    scheme = address.partition("://")[0]
    if scheme not in ("tcp", "tls", "ucx", "ucxx", "ws", "wss"):
        raise BackendError(
            f"another process cannot reach {address} by its address alone",
            remedy="have the cluster listen on tcp (kwargs.protocol), or call create_cluster() "
            "in the script itself",
        )
    kept = {name: value for name, value in env.items() if not name.upper().startswith(_PREFIX)}
    security = getattr(cluster, "security", None)
    found = {variable: getattr(security, field, None) for field, variable in _TLS.items()}
    return {
        **kept,
        **{variable: str(value) for variable, value in found.items() if value},
        "DASK_SCHEDULER_ADDRESS": address,
        f"{_PREFIX}SPEC": spec,
        f"{_PREFIX}KWARGS": "null",  # what a file lays over every spec is not for this one
    }


def _spec_of(cluster: Any) -> dict[str, Any]:
    address = str(cluster.scheduler_address)
    attach = {"module": "dask_ctl.proxy", "class": "ProxyCluster", "args": [address]}
    return {"version": 1, **attach}


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise BackendError(
            f"{command[0]!r} cannot be run: {error.strerror}", remedy="check the command"
        ) from None
    for signalnum in _FORWARDED:
        signal.signal(signalnum, lambda number, _: _forward(process, number))
    code = process.wait()
    return code if code >= 0 else 128 - code


def _forward(process: subprocess.Popen[bytes], signalnum: int) -> None:
    """Pass a signal on, unless the terminal has sent it to both."""
    by_terminal = signalnum in (signal.SIGINT, signal.SIGQUIT) and _in_foreground()
    if not by_terminal and process.poll() is None:
        process.send_signal(signalnum)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # no terminal
        return False
