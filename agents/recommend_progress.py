"""How far the recommender is with the observations of its partitions."""

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from agents.recommender import Recommender
from agents.topics import Topic

log = structlog.get_logger(__name__)


class Progress:
    """`caught_up`: whether all is learned that was there when the partitions came to this worker.

    Before that, what is known may be far less than what others knew, and proposals would come and go.
    """

    def __init__(self, recommender: Recommender, topic: Topic) -> None:
        self._recommender = recommender
        self._topic = topic.name
        self._generation: int | None = None
        self._targets: dict[TP, int] = {}
        self.lag: int | None = None
        self.caught_up = False

    async def look(self) -> None:
        """Ask Kafka; `lag` is None while it is away, and while partitions change hands or are recovered."""
        try:
            await self._look()
        except KafkaError as error:
            log.warning("Kafka does not say how far observations are learned", reason=repr(error))
            self.lag = None

    async def _look(self) -> None:
        recommender = self._recommender
        held = {TP(self._topic, partition) for partition in recommender.table.held()}
        generation = recommender.generation
        ends = dict(await recommender.app.consumer.highwaters(*held)) if held else {}
        done = {tp: await self._done(tp) for tp in held}
        if not held or recommender.generation != generation:
            self.lag, self.caught_up = None, False
            return
        if generation != self._generation:
            self._generation, self._targets, self.caught_up = generation, ends, False
        self.lag = sum(max(0, end - done[tp]) for tp, end in ends.items())
        self.caught_up = self.caught_up or all(done[tp] >= end for tp, end in self._targets.items())

    async def _done(self, tp: TP) -> int:
        """The first offset that is not learned."""
        consumer = self._recommender.app.consumer
        position = await consumer.position(tp) or 0
        unacked = consumer._unacked_messages  # type: ignore[attr-defined]  # noqa: SLF001 - Faust tells no other way
        waiting = [message.offset for message in unacked if message.tp == tp and not message.acked]
        return min(waiting, default=position)
