"""A client of a Kubernetes API, with the credentials as they are now."""

import yaml
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import ConfigException, load_incluster_config, new_client_from_config

from agents.kubernetes_access import Access
from agents.kubernetes_errors import KubernetesError

# What the library ends with on a kubeconfig that is not as it should be.
_MISTAKES = (ConfigException, OSError, yaml.YAMLError, ValueError, TypeError, AttributeError, AssertionError)


async def connect(access: Access) -> ApiClient:
    """A client; a token file is read, a plugin asked. Raises KubernetesError."""
    try:
        if access.in_cluster:
            configuration = Configuration()
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return ApiClient(configuration)
        if not access.exists():
            raise KubernetesError(f"there is no {access.file}: name one by --kubeconfig or KUBECONFIG")
        return await new_client_from_config(config_file=access.file, context=access.context)
    except _MISTAKES as error:
        reason = " ".join(str(error).split()) or "it is none"
        raise KubernetesError(f"{access} cannot be used: {reason}") from None
