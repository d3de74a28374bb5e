"""Where Kafka's client library says what happens to its connections: into our log, not to the terminal."""

import logging

LOG = logging.getLogger("librdkafka")
