"""What goes wrong between us and a Kubernetes API, told apart by what helps."""

from pipeline.user_error import UserError


class KubernetesError(UserError):
    """A Kubernetes API that cannot be used as asked; the message says which, why and what to do."""


class AbsentError(KubernetesError):
    """What is asked for is not served: Kubernetes' 404."""


class GoneError(KubernetesError):
    """The version asked for is no longer kept: Kubernetes' 410. Ask for a newer one."""


class RightsError(KubernetesError):
    """We may not: Kubernetes' 403."""


class CredentialsError(KubernetesError):
    """It does not know us, not by credentials that were just loaded either: Kubernetes' 401."""
