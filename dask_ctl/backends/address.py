"""How another process finds a scheduler by its address."""

from __future__ import annotations

from typing import Any, Final

from dask_ctl.exceptions import BackendError

_PROTOCOLS: Final = ("tcp", "tls", "ucx", "ucxx", "ws", "wss")
# The variables of dask's configuration, by the attributes of a `distributed.Security`.
TLS: Final = {
    "tls_ca_file": "DASK_DISTRIBUTED__COMM__TLS__CA_FILE",
    "tls_client_cert": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT",
    "tls_client_key": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY",
}


def is_enough(address: str) -> bool:
    """Whether a scheduler can be reached by its address alone, without its class."""
    return address.partition("://")[0] in _PROTOCOLS


def variables_of(cluster: Any) -> dict[str, str]:
    """The variables with which ``Client()`` in another process finds `cluster`.

    Raises
    ------
    BackendError
        If its address alone does not do.
    """
    own = str(cluster.scheduler_address)
    if not is_enough(own):
        raise BackendError(
            f"another process cannot reach {own} by its address alone",
            remedy="have the cluster listen on tcp (kwargs.protocol), or call create_cluster() "
            "in the script itself",
        )
    security = getattr(cluster, "security", None)
    found = {variable: getattr(security, name, None) for name, variable in TLS.items()}
    return {
        **{variable: str(value) for variable, value in found.items() if value},
        "DASK_SCHEDULER_ADDRESS": own,
    }
