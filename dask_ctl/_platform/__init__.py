"""What differs between Linux, macOS and Windows: a function a difference, none of it elsewhere.

Names that an operating system lacks are looked for, rather than the system's own name, so that
what is done without them can be tried on a system that has them.
"""

from dask_ctl._platform.files import Lock, LockState, lock_state, remove, replace
from dask_ctl._platform.launchers import how_to_start
from dask_ctl._platform.processes import (
    detached,
    end_tree,
    is_python,
    owned_by_user,
    since_boot,
    start_resource_tracker,
)
from dask_ctl._platform.signals import (
    ending_signals,
    forwarded_signals,
    in_foreground,
    sent_to_all,
)
from dask_ctl._platform.system import boot, has_browser, listeners, machine, user_id

__all__ = [
    "Lock",
    "LockState",
    "boot",
    "detached",
    "end_tree",
    "ending_signals",
    "forwarded_signals",
    "has_browser",
    "how_to_start",
    "in_foreground",
    "is_python",
    "listeners",
    "lock_state",
    "machine",
    "owned_by_user",
    "remove",
    "replace",
    "sent_to_all",
    "since_boot",
    "start_resource_tracker",
    "user_id",
]
