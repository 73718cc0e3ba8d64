"""The end of a process whose threads Python cannot end."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def end_process(code: int) -> NoReturn:
    """End the process, as `sys.exit` does but for the interpreter's own end.

    An event loop may still run in its thread, which Python then ends by force wherever it is:
    about one process in a hundred, on a busy machine, aborted with "exception not rethrown" and
    lost its exit code.

    Parameters
    ----------
    code : int
        The exit code.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 -- there is no public way
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # none, broken or closed
            stream.flush()
    os._exit(code)
