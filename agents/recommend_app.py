"""The second Faust app of a worker: it learns from a topic through Faust, into a table of Faust's."""

import logging
import os
import socket
from pathlib import Path
from typing import Any

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TransportT

from agents.topics import Topics
from pipeline.sections import Kafka
from pipeline.settings import Settings


# Faust and aiokafka tell of each step that they take; of troubles they tell as warnings.
_LOG = logging.getLogger("faust.recommend")
_CHATTY = ("faust", "aiokafka")


class _ReadingCommitted(AIOKafkaConsumerThread):
    """Faust reads committed records only with its own transactions, which we have not: of an aborted
    transaction of a worker everything would be learned. This is the one place where its consumer is made."""

    logger = _LOG

    def _create_worker_consumer(self, transport: Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - read when it starts
        return consumer


class _Consumer(Consumer):
    logger = _LOG

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _ReadingCommitted(self, loop=self.loop, beacon=self.beacon)


class _Transport(Transport):
    Consumer = _Consumer


class RecommendApp(faust.App):
    """An app that reads committed records."""

    logger = _LOG

    def _new_transport(self) -> TransportT:
        return _Transport(self.conf.broker_consumer, self)


def make_app(settings: Settings, folder: Path) -> RecommendApp:
    """An app that is not started; its own settings come from here alone.

    It is not the worker's own app: Faust stops all agents of an app in a rebalance and while tables are
    recovered, and flows have to be judged meanwhile.
    """
    if settings.logs.level != "debug":
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
    worker, topics = settings.worker, Topics(settings)
    instance: dict[str, Any] = {"consumer_group_instance_id": worker.instance} if worker.instance else {}
    return RecommendApp(
        f"{settings.topics.prefix}{worker.group}-recommend",
        broker=[f"kafka://{address}" for address in settings.kafka.bootstrap.split(",")],
        broker_credentials=_credentials(settings.kafka),
        broker_session_timeout=worker.session_timeout_seconds,
        broker_heartbeat_interval=worker.heartbeat_seconds,
        broker_request_timeout=max(40.0, worker.session_timeout_seconds + 10),  # Faust wants it longer
        env_prefix="FLOWTIER_FAUST_",  # else BROKER_URL and others in the environment win
        web_enabled=False,
        # Names a member among those on one machine: nobody answers there.
        canonical_url=f"http://{socket.gethostname()}:{os.getpid() % 60_000 + 1}",
        datadir=folder,
        store="rocksdb://",
        stream_wait_empty=False,  # what is in hand when partitions change hands is read again
        topic_partitions=topics.observations.partitions,
        topic_allow_declare=False,  # `topics.create` made them all, with the same counts
        topic_disable_leader=True,
        producer_compression_type="lz4",
        **instance,
    )


def _credentials(kafka: Kafka) -> Any:
    context = kafka.ssl_context()
    if kafka.uses_sasl and kafka.sasl_password:
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context else None
