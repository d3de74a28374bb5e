from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from elasticsearch import AsyncElasticsearch


def test_kafka_takes_a_message_on_a_topic_made_for_it(kafka: str, producer: Producer, topic_prefix: str):
    topic = f"{topic_prefix}flows"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result()
    delivered: list[str | None] = []
    producer.produce(topic, b"{}", on_delivery=lambda error, message: delivered.append(message.topic()))
    producer.flush(10)
    assert delivered == [topic]


async def test_elasticsearch_finds_what_was_written(search: AsyncElasticsearch, unique: str):
    await search.index(index=unique, id="1", document={"cluster": unique}, refresh=True)
    found = await search.search(index=unique, query={"match": {"cluster": unique}})
    assert found["hits"]["total"]["value"] == 1
