"""A backlog without end costs a worker no memory beyond a bound that its settings tell."""

import random
from pathlib import Path

from pipeline.observe import MAX_BYTES
from pipeline.settings import Settings
from tests.agents.installation import ALLOW_ALL, STAGED_DENY, Worker, flow, lines
from tests.faults.gates import opened
from tests.waiting import until

MIB = 2**20
MESSAGE = 500  # flows
RETRIES = 6  # of everything in hand, while Elasticsearch takes nothing


def bound(settings: Settings) -> int:
    """Bytes, beside policies and facts: README, "What a worker needs".

    The interpreter with its libraries; of each batch in flight, and of one more that is judged or waits for
    room, the messages, their columns, documents and bulk bodies; what one fetch unpacks to; the messages that
    the recommender learns, and those that wait for it; a batch of those that are rolled up, their documents,
    and the documents that are remembered.
    """
    worker = settings.worker
    judging = 7 * (worker.batches_in_flight + 1) * worker.batch_bytes
    return 240 * MIB + judging + 2 * settings.recommend.batch_messages * MAX_BYTES


def most_resident(worker: Worker) -> int:
    """The most bytes of memory that the worker has had so far."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    said = dict(line.split(":", 1) for line in status.splitlines())
    return int(said["VmHWM"].split()[0]) * 1024


def message() -> bytes:
    """Flows that pack about as well as real ones do, to a tenth."""
    noise = random.Random(1)
    return lines([flow(number, process_args=[noise.randbytes(40).hex()]) for number in range(MESSAGE)])


def test_a_backlog_without_end_stays_within_the_bound_while_elasticsearch_is_away_and_slow(
    installation, full
) -> None:
    away = True

    def turn_away(body: bytes) -> int | None:
        return 429 if away and body.startswith(b'{"index"') else None

    if not full:
        installation.options["FLOWTIER_WORKER_BATCH_BYTES"] = str(4 * MIB)
    installation.options["FLOWTIER_RECOMMEND_BATCH_MESSAGES"] = "10"
    settings = installation.settings
    worker_settings = settings.worker
    value = message()
    messages = (25 if full else 10) * worker_settings.batch_bytes // len(value)
    in_hand = worker_settings.batches_in_flight * worker_settings.batch_bytes // len(value) * MESSAGE
    installation.publish(ALLOW_ALL, STAGED_DENY)
    installation.produce([value] * messages, **{"compression.type": "zstd"})
    with opened(installation.elasticsearch, turn_away, delay=0.5) as url:
        installation.options["FLOWTIER_ELASTICSEARCH_URLS"] = url
        worker = installation.start_worker()
        until(lambda: worker.address, 60)
        until(lambda: worker.metric("flowtier_elasticsearch_retries_total") > RETRIES * in_hand, 120)
        print(f"{most_resident(worker) / MIB:.0f} MiB of {bound(settings) / MIB:.0f} while it is away")
        away = False
        until(lambda: worker.metric("flowtier_flows_total") == messages * MESSAGE, 600)
        print(f"{most_resident(worker) / MIB:.0f} MiB of {bound(settings) / MIB:.0f} in the end")
        assert most_resident(worker) < bound(settings)
    assert installation.documents() == messages * MESSAGE
