"""The form that all index templates have."""

from typing import Any


def composable(
    name: str, properties: dict[str, Any], replicas: int, shards: int = 1, **settings: Any
) -> dict[str, Any]:
    """The composable template of the indices `<name>.*`: fields beside `properties` are kept, not mapped."""
    index = {"number_of_shards": shards, "number_of_replicas": replicas, **settings}
    return {
        "index_patterns": [f"{name}.*"],
        "priority": 200,
        "template": {
            "settings": {"index": index},
            "mappings": {"dynamic": False, "properties": properties},
        },
    }
