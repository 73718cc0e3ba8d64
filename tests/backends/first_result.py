"""Print the seconds from the call that makes a cluster to its first result.

The call is `create_cluster`, or that of the class which the argument describes, in JSON. Before
that come the seconds that the first `create_cluster` of a process needs to load its own modules;
here they, and the class, are loaded before either call.
"""

import importlib
import json
import signal
import sys
import time
from typing import Any

from dask.distributed import Client

import dask_ctl


def directly(call: dict[str, Any]) -> Any:
    """Do as the user of a class would."""
    target = getattr(importlib.import_module(call["module"]), call["class_"])
    cluster = target(*call["args"], **call["kwargs"])
    if call["scale"] is not None:
        cluster.scale(call["scale"])
    if call["adapt"] is not None:
        cluster.adapt(**call["adapt"])
    return cluster


if __name__ == "__main__":
    call = [json.loads(argument) for argument in sys.argv[1:]]
    start = time.perf_counter()
    from dask_ctl.backends import room_of
    from dask_ctl.creation import call as _  # noqa: F401
    from dask_ctl.creation import exits

    dask_ctl.resolve_spec()
    loading = time.perf_counter() - start
    dask_ctl.check_spec()
    if call:  # as dask_jobqueue.runner does when it is imported
        signal.signal(signal.SIGINT, lambda *_: sys.exit())
    start = time.perf_counter()
    cluster = directly(call[0]) if call else dask_ctl.create_cluster()
    client = Client(cluster)
    client.submit(sum, [1, 2]).result()
    print(loading, time.perf_counter() - start)
    if call:
        exits.at_exit(cluster, room_of(type(cluster)))
