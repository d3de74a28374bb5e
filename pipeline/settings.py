"""Every setting in one frozen object, from the environment (`FLOWTIER_…`) and an optional YAML file."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

import yaml
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceError

from pipeline.edges_section import Edges
from pipeline.kibana_section import Kibana
from pipeline.readiness_section import ReadinessLimits
from pipeline.recommend_section import Recommend
from pipeline.sections import (
    PREFIX,
    Elasticsearch,
    Facts,
    Flows,
    Kafka,
    Logs,
    Section,
    SettingsError,
    Shipper,
    Topics,
    Worker,
)
from pipeline.watch_section import Watch

__all__ = ["Setting", "Settings", "SettingsError", "all_settings", "load"]

FILE = "FLOWTIER_SETTINGS"
# Read by the test suite, never by the program.
TESTS = "FLOWTIER_TEST_"


class Settings(BaseSettings):
    """All settings; make one with `load`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
    )

    cluster: str = Field(
        "cluster",
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="name of the cluster: small letters, digits and -; part of index names",
    )
    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    elasticsearch: Elasticsearch = Elasticsearch()
    flows: Flows = Flows()
    facts: Facts = Facts()
    worker: Worker = Worker()
    recommend: Recommend = Recommend()
    edges: Edges = Edges()
    readiness: ReadinessLimits = ReadinessLimits()
    watch: Watch = Watch()
    shipper: Shipper = Shipper()
    kibana: Kibana = Kibana()
    logs: Logs = Logs()

    @model_validator(mode="after")
    def _days_are_kept(self) -> Self:
        if self.readiness.days > self.edges.hour_days:
            raise ValueError(
                "FLOWTIER_READINESS_DAYS must be FLOWTIER_EDGES_HOUR_DAYS at most: no more days are known"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - passed by name
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - passed by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - passed by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What comes first wins: the environment, then the file."""
        return env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=os.environ.get(FILE) or None)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as a person meets it: `env` to set it by, `path` in the file."""

    env: str
    path: tuple[str, ...]
    type: str
    default: object
    meaning: str
    secret: bool


def all_settings() -> Iterator[Setting]:
    """Every setting, in the order of the model."""
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield from (_setting((name, key), inner) for key, inner in section.model_fields.items())
        else:
            yield _setting((name,), field)


def _setting(path: tuple[str, ...], field: FieldInfo) -> Setting:
    kind = _kind(field.annotation)
    return Setting(_env(path), path, kind, field.default, field.description or "", kind == "secret")


def _kind(annotation: Any) -> str:
    """The type in words; of a type or None, the type."""
    given = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " | ".join(given)
    if type(None) in given:
        return _kind(given[0])
    return _KINDS[get_origin(annotation) or annotation]


_KINDS = {
    bool: "true | false",
    float: "number",
    int: "number",
    Path: "file",
    SecretStr: "secret",
    str: "text",
    tuple: "list",
}


def _env(path: tuple[int | str, ...]) -> str:
    return PREFIX + "_".join(map(str, path)).upper()


def load() -> Settings:
    """The settings of this process; SettingsError names everything that is wrong with them."""
    wrong = list(_unknown_variables(os.environ))
    try:
        settings = _read()
    except ValidationError as error:
        # An unknown variable is named already: what is left to name here stands in the file.
        details = (detail for detail in error.errors() if not _is_unknown_variable(detail))
        wrong += [_sentence(detail) for detail in details]
    if wrong:
        raise SettingsError("\n".join(wrong))
    return settings


def _read() -> Settings:
    file = os.environ.get(FILE)
    if file and not Path(file).is_file():
        raise SettingsError(f"{FILE}: there is no file {file}")
    try:
        return Settings()
    except (yaml.YAMLError, SourceError, OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{FILE}: {file} is not a YAML file of settings: {error}") from None


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    known = [setting.env for setting in all_settings()]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in {FILE, *known} and not name.startswith(TESTS):
            yield f"{name}: there is no such setting" + _suggestion(name, known)


def _is_unknown_variable(detail: ErrorDetails) -> bool:
    return detail["type"] == "extra_forbidden" and _env(detail["loc"]) in os.environ


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"; did you mean {close[0]}?" if close else "; `flowtier settings` lists them all"


def _sentence(detail: ErrorDetails) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    settings = {".".join(setting.path): setting for setting in all_settings()}
    if detail["type"] == "extra_forbidden":
        unknown = f"{path} in {os.environ.get(FILE)}: there is no such setting"
        return unknown + _suggestion(path, list(settings))
    message = detail["msg"].removeprefix("Value error, ")
    if path not in settings and detail["type"] == "value_error":  # a section's own check names the settings
        return message
    message = re.sub(r"^(Input|String) should", "must", message)
    meaning = f" ({settings[path].meaning})" if path in settings else ""
    return f"{_env(detail['loc'])}: {message}{meaning}"
