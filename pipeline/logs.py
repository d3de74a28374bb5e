"""What the program says: one JSON object a line, or lines for eyes; Faust's and aiokafka's lines too."""

import logging
import logging.config
from typing import Any

import orjson
import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from pipeline.sections import Logs

HIDDEN = "***"
_QUIETER = {"info": "WARNING"}
# Parts of the names that secrets go by, in our settings and in the options of Kafka's and Elastic's clients.
SECRET_NAMES = ("password", "api_key", "secret", "token", "authorization", "basic_auth")


def configure(logs: Logs) -> None:
    """Sets up structlog and the standard library's logging, both to standard error."""
    logging.config.dictConfig(logging_config(logs))
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logging_config(logs: Logs) -> dict[str, Any]:
    """The `logging_config` of a Faust app (`logging.config.dictConfig`), so that every line has one form."""
    # Plain tracebacks only: those with local variables would write down secrets.
    render: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if logs.format == "json":
        render += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]
    else:
        render += [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": render,
            }
        },
        "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["lines"], "level": logs.level.upper()},
        # It tells of every request, which only who asks for everything wants to know. Not its parent: loggers
        # below one that is named here forget to keep to themselves what they send, secrets too.
        "loggers": {"elastic_transport.transport": {"level": _QUIETER.get(logs.level, logs.level.upper())}},
    }


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: what is named like a secret, or typed as one, is not written, however deep."""
    return {key: _hidden(key, value) for key, value in event.items()}


def _hidden(key: object, value: object) -> object:
    name = str(key).lower().replace(".", "_")
    if isinstance(value, SecretStr) or any(secret in name for secret in SECRET_NAMES):
        return HIDDEN
    if isinstance(value, dict):
        return {inner: _hidden(inner, content) for inner, content in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden("", content) for content in value]
    return value


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    hide_secrets,
]
