"""Why Elasticsearch refuses us, in one sentence."""

from urllib.parse import urlsplit

from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch

from agents.reach import Names, ReachError, wrong_with
from pipeline.index import put_templates
from pipeline.sections import Elasticsearch

_TIMEOUT = 10.0
_NAMES = Names(
    address="FLOWTIER_ELASTICSEARCH_URLS",
    protocol="FLOWTIER_ELASTICSEARCH_URLS (http:// or https://)",
    ca="FLOWTIER_ELASTICSEARCH_CA",
    client="Elasticsearch's xpack.security.http.ssl.client_authentication, since we have none to show",
)


async def check(elasticsearch: Elasticsearch) -> None:
    """Raises ReachError where it refuses us, and will until somebody changes something; SettingsError where
    the file of authorities cannot be read. One that is away is no reason not to start."""
    elasticsearch.ssl_context()
    async with AsyncElasticsearch(**elasticsearch.client_options()) as client:
        quick = client.options(request_timeout=_TIMEOUT, max_retries=0)
        try:
            await put_templates(quick, elasticsearch.shards, elasticsearch.replicas)
        except (ApiError, TransportError) as error:
            problem = refusal(elasticsearch, error)
            if problem:
                raise ReachError(problem) from None


def refusal(elasticsearch: Elasticsearch, error: ApiError | TransportError) -> str | None:
    """What a person has to change; None for what passes, such as a server that is away."""
    if isinstance(error, TransportError):
        return _of_tls(elasticsearch)
    where = f"Elasticsearch at {', '.join(elasticsearch.urls)}"
    if error.status_code == 401:
        return f"{where} does not let us in ({_reason(error)}): see {_who(elasticsearch)}"
    # Blocks of indices and of the cluster are 403 too, and pass.
    if error.status_code == 403 and error.error == "security_exception":
        return f"{where} does not allow us what we need ({_reason(error)}): see {_who(elasticsearch)}"
    return None


def _of_tls(elasticsearch: Elasticsearch) -> str | None:
    for url in elasticsearch.urls:
        parts = urlsplit(url)
        context = elasticsearch.ssl_context() if parts.scheme == "https" else None
        port = parts.port or (443 if context else 80)
        found = wrong_with(str(parts.hostname), port, context, _NAMES)
        if found:
            return f"Elasticsearch at {url}: {found}"
    return None


def _who(elasticsearch: Elasticsearch) -> str:
    if elasticsearch.api_key:
        return "FLOWTIER_ELASTICSEARCH_API_KEY"
    if elasticsearch.username:
        return "FLOWTIER_ELASTICSEARCH_USERNAME and FLOWTIER_ELASTICSEARCH_PASSWORD"
    return "FLOWTIER_ELASTICSEARCH_API_KEY, or …_USERNAME and …_PASSWORD: none is set"


def _reason(error: ApiError) -> str:
    try:
        return str(error.body["error"]["root_cause"][0]["reason"])
    except (KeyError, IndexError, TypeError):  # a proxy's answer
        return f"{error.status_code} {error.message}"
