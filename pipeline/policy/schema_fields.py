"""The values of manifests' fields: protocols, ports, networks, addresses, selectors."""

from ipaddress import ip_address, ip_network
from re import compile as regex
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, PlainValidator

from pipeline.policy.policies import Network
from pipeline.policy.selector import GLOBAL, Selector, SelectorError, parse

PROTOCOLS = {"ICMP": 1, "TCP": 6, "UDP": 17, "ICMPv6": 58, "SCTP": 132, "UDPLite": 136}
PORT_PROTOCOLS = (6, 17, 132)
PORT_NAME = regex(r"[a-zA-Z0-9_.-]{1,128}\Z")
PORT_RANGE = regex(r"([0-9]{1,9}):([0-9]{1,9})\Z")
DIGITS = regex(r"[0-9]{1,9}\Z")
PREFIX = regex(r"[^%]*/[0-9]{1,3}\Z")


class Protocol(NamedTuple):
    """An IANA protocol number, and whether it was given by name (CALICO.md §3)."""

    number: int
    named: bool = False

    @property
    def family(self) -> Literal[4, 6] | None:
        """The IP version implied: only by ICMP and ICMPv6, and only by name."""
        implied: dict[int, Literal[4, 6]] = {1: 4, 58: 6}
        return implied.get(self.number) if self.named else None


def protocol(value: object) -> Protocol:
    """A protocol by name, or by number 1 to 255 (also as a string)."""
    if isinstance(value, str) and value in PROTOCOLS:
        return Protocol(PROTOCOLS[value], named=True)
    if isinstance(value, str) and DIGITS.match(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 255:
        raise ValueError(f"must be one of {', '.join(PROTOCOLS)} or 1 to 255, not {value!r}")
    return Protocol(value)


def port(value: object) -> tuple[int, int] | str:
    """A port, a range "low:high", or a port's name; as an inclusive range or the name."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"must be a port, a range like 8000:8080, or a name, not {value!r}")  # noqa: TRY004
    spread = PORT_RANGE.match(str(value))
    if isinstance(value, str) and not spread and not DIGITS.match(value):
        return value
    low, high = (int(spread[1]), int(spread[2])) if spread else (int(value), int(value))
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"{value!r} must be a port from 1 to 65535, or a range of them from low to high")
    return low, high


def port_or_name(value: object) -> tuple[int, int] | str:
    """As port(), where a name must be one that a port can have."""
    parsed = port(value)
    if isinstance(parsed, str) and not PORT_NAME.match(parsed):
        raise ValueError(f"{parsed!r} is no port's name: at most 128 letters, digits, '-', '_' and '.'")
    return parsed


def cidr(value: object) -> Network:
    """A CIDR, masked; an address alone is refused."""
    if not isinstance(value, str) or not PREFIX.match(value):
        raise ValueError(f"must be a CIDR like 10.0.0.0/8, not {value!r}")
    try:
        return ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"must be a CIDR like 10.0.0.0/8, not {value!r}") from None


def network(value: object) -> Network:
    """A CIDR, or an address as the network of it alone: Felix takes that in rules too, and so do the
    CRDs, although Calico's validator does not."""
    try:
        return ip_network(ip_address(value)) if isinstance(value, str) and "/" not in value else cidr(value)
    except ValueError:
        raise ValueError(f"must be a CIDR like 10.0.0.0/8 or an IP address, not {value!r}") from None


def is_address(text: str) -> bool:
    """Whether the text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def address(text: str) -> str:
    """An IP address in its shortest form."""
    if not is_address(text):
        raise ValueError(f"must be an IP address, not {text!r}")
    return str(ip_address(text))


def selector(value: object) -> Selector | None:
    """A selector; None where it is empty, which is as if it were not there."""
    if not isinstance(value, str):
        raise ValueError(f"must be a selector in a string, not {value!r}")  # noqa: TRY004
    try:
        return parse(value) if value else None
    except SelectorError as error:
        raise ValueError(f"{error} in {value!r}") from None


def local_selector(value: object) -> Selector | None:
    """A selector without global()."""
    parsed = selector(value)
    if "global(" in str(value):
        raise ValueError("global() can only be used in a rule's namespaceSelector")
    return parsed


def namespace_selector(value: object) -> Selector | None:
    """A selector that may be global(), and then nothing else."""
    parsed = selector(value)
    if "global(" in str(value) and parsed != GLOBAL:
        raise ValueError("global() must be the whole namespaceSelector")
    return parsed


type ProtocolField = Annotated[Protocol, PlainValidator(protocol)]
type Port = Annotated[tuple[int, int] | str, PlainValidator(port_or_name)]
type Ports = Annotated[list[Port], Field(max_length=50)]
type Cidr = Annotated[Network, PlainValidator(cidr)]
type Net = Annotated[Network, PlainValidator(network)]
type Nets = Annotated[list[Net], Field(max_length=256)]
type AnySelector = Annotated[Selector | None, PlainValidator(selector)]
type LocalSelector = Annotated[Selector | None, PlainValidator(local_selector)]
type NamespaceSelector = Annotated[Selector | None, PlainValidator(namespace_selector)]
type Text253 = Annotated[str, Field(max_length=253)]


type Address = Annotated[str, AfterValidator(address)]
