"""What all manifests share: strict models, metadata, names, labels."""

from collections.abc import Iterable
from re import compile as regex
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pipeline.policy.problems import Finding

SUBDOMAIN = regex(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
LABEL_NAME = regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
MAX_NAME = 253


class Part(BaseModel):
    """A part of a manifest."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, defer_build=True)

    def checks(self) -> Iterable[Finding]:
        """What is wrong although every field by itself is right."""
        return ()


class Model(Part):
    """A part of a policy's manifest: fields that it does not know are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


def inside(location: str | int, findings: Iterable[Finding]) -> Iterable[Finding]:
    """Findings of a part, placed in the whole."""
    for place, reason in findings:
        yield (location, *place), reason


def unique[T](items: list[T]) -> list[T]:
    """A list that Kubernetes keeps as a set: refused where an item stands twice."""
    for index, item in enumerate(items):
        if item in items[:index]:
            raise ValueError(f"lists {item} twice")
    return items


def label_key(text: str) -> str:
    """A label's or an annotation's key: an optional DNS prefix and "/", then at most 63 characters."""
    prefix, slash, name = text.rpartition("/")
    if not LABEL_NAME.match(name) or (slash and not (SUBDOMAIN.match(prefix) and len(prefix) <= MAX_NAME)):
        raise ValueError(f"{text!r} is no label key: [prefix/]name of letters, digits, '-', '_' and '.'")
    return text


def label_value(text: str) -> str:
    """A label's value: empty, or at most 63 letters, digits, "-", "_", "."."""
    if text and not LABEL_NAME.match(text):
        raise ValueError(f"{text!r} is no label value: at most 63 letters, digits, '-', '_' and '.'")
    return text


def resource_name(text: str) -> str:
    """A DNS-1123 subdomain of at most 253 characters (CALICO.md §2.2)."""
    if len(text) > MAX_NAME or not SUBDOMAIN.match(text):
        raise ValueError(f"name {text[:80]!r} must be lower case letters, digits, '-' and '.' (RFC 1123)")
    return text


type LabelKey = Annotated[str, AfterValidator(label_key)]
type LabelValue = Annotated[str, AfterValidator(label_value)]
type ResourceName = Annotated[str, AfterValidator(resource_name)]
type Unique[T] = Annotated[list[T], AfterValidator(unique)]


class Metadata(Model):
    """What kubectl writes about an object; only name, namespace and labels have a meaning here."""

    name: ResourceName
    namespace: ResourceName | None = None
    labels: dict[LabelKey, LabelValue] | None = None
    annotations: dict[LabelKey, str] | None = None
    uid: Any = None
    resource_version: Any = None
    generation: Any = None
    generate_name: Any = None
    creation_timestamp: Any = None
    deletion_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    owner_references: Any = None
    finalizers: Any = None
    managed_fields: Any = None
    self_link: Any = None


class Manifest(Model):
    """A whole resource."""

    api_version: str
    kind: str
    metadata: Metadata
    status: Any = Field(default=None)
