"""The Faust app that holds the agents."""

import tempfile
from pathlib import Path

import faust
from faust.app.base import BootStrategy

from pipeline.settings import Settings


class _WithoutTopics(BootStrategy):
    """Starts none of Faust's own Kafka clients: no agent takes a topic through Faust, whose consumer
    reads uncommitted records. The flows come by a channel in memory (`feed_flows`)."""

    enable_kafka = False


class App(faust.App):
    """An app whose agents live on channels in memory."""

    BootStrategy = _WithoutTopics


def make_app(settings: Settings) -> App:
    """The app of one worker; its own settings come from here alone."""
    return App(
        settings.worker.group,
        broker=f"kafka://{settings.kafka.bootstrap}",
        env_prefix="FLOWTIER_FAUST_",  # else BROKER_URL and others in the environment win
        web_enabled=False,
        datadir=Path(tempfile.gettempdir()) / f"flowtier-{settings.worker.group}",  # nothing is kept there
    )
