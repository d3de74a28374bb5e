"""A time as it is typed: so long ago, or a moment."""

import re
import time
from datetime import UTC, datetime
from typing import override

import click

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_AGO = re.compile(r"(\d+)([smhdw])")


class Moment(click.ParamType):
    """`7d`, `12h`, `30m` ago, or ISO 8601 (UTC where it names no zone); becomes epoch seconds."""

    name = "time"

    @override
    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value)
        if ago := _AGO.fullmatch(text):
            return time.time() - int(ago[1]) * _UNITS[ago[2]]
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no time: write 7d, 12h, 30m or 2026-01-31T12:00", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
