"""Settings by which nobody is let in: what is changed, what the sentence says, and where it tells to look."""

KAFKA = {
    "a wrong password": (
        {"SASL_PASSWORD": "wrong-pass"},
        "invalid credentials",
        "FLOWTIER_KAFKA_SASL_USERNAME and FLOWTIER_KAFKA_SASL_PASSWORD",
    ),
    "an unknown user": (
        {"SASL_USERNAME": "stranger"},
        "refuses user stranger",
        "FLOWTIER_KAFKA_SASL_USERNAME",
    ),
    "a mechanism that is not offered": (
        {"SASL_MECHANISM": "PLAIN"},
        "supported mechanisms: SCRAM-SHA-512,SCRAM-SHA-256",
        "FLOWTIER_KAFKA_SASL_MECHANISM",
    ),
    "an unknown authority": (
        {"CA": "{folder}/stranger.pem"},
        "no authority that we trust",
        "FLOWTIER_KAFKA_CA",
    ),
    "no file of authorities": ({"CA": "{folder}/none.pem"}, "No such file", "FLOWTIER_KAFKA_CA"),
    "the certificate of another host": (
        {"BOOTSTRAP": "localhost:{SASL_SSL}"},
        "not valid for 'localhost'",
        "FLOWTIER_KAFKA_BOOTSTRAP",
    ),
    "plain text on a TLS port": (
        {"SECURITY_PROTOCOL": "PLAINTEXT"},
        "speaks TLS, and we do not",
        "FLOWTIER_KAFKA_SECURITY_PROTOCOL",
    ),
    "TLS on a plain port": (
        {"BOOTSTRAP": "127.0.0.1:{PLAINTEXT}"},
        "does not speak TLS",
        "FLOWTIER_KAFKA_SECURITY_PROTOCOL",
    ),
    "a user where nobody asks for one": (
        {"BOOTSTRAP": "127.0.0.1:{PLAINTEXT}", "SECURITY_PROTOCOL": "SASL_PLAINTEXT"},
        "refuses user",
        "FLOWTIER_KAFKA_SECURITY_PROTOCOL",
    ),
    "no client certificate": (
        {"BOOTSTRAP": "127.0.0.1:{SSL}", "SECURITY_PROTOCOL": "SSL"},
        "wants a client certificate",
        "FLOWTIER_KAFKA_CERT and FLOWTIER_KAFKA_KEY",
    ),
}
ELASTICSEARCH = {
    "a wrong password": (
        {"PASSWORD": "wrong-pass"},
        "unable to authenticate user [worker]",
        "FLOWTIER_ELASTICSEARCH_USERNAME and FLOWTIER_ELASTICSEARCH_PASSWORD",
    ),
    "an unknown user": (
        {"USERNAME": "stranger"},
        "unable to authenticate user [stranger]",
        "FLOWTIER_ELASTICSEARCH_USERNAME",
    ),
    "a wrong API key": (
        {"API_KEY": "d3Jvbmc6d3Jvbmc=", "USERNAME": "", "PASSWORD": ""},
        "unable to authenticate",
        "FLOWTIER_ELASTICSEARCH_API_KEY",
    ),
    "nobody's name": (
        {"USERNAME": "", "PASSWORD": ""},
        "missing authentication",
        "FLOWTIER_ELASTICSEARCH_API_KEY",
    ),
    "too few rights": (
        {"USERNAME": "reader", "PASSWORD": "{reader}"},
        "granted by the cluster privileges [manage_index_templates",
        "FLOWTIER_ELASTICSEARCH_USERNAME",
    ),
    "an unknown authority": (
        {"CA": "{folder}/stranger.pem"},
        "no authority that we trust",
        "FLOWTIER_ELASTICSEARCH_CA",
    ),
    "no file of authorities": ({"CA": "{folder}/none.pem"}, "No such file", "FLOWTIER_ELASTICSEARCH_CA"),
    "the certificate of another host": (
        {"URLS": "https://localhost:{ELASTICSEARCH}"},
        "not valid for 'localhost'",
        "FLOWTIER_ELASTICSEARCH_URLS",
    ),
    "plain text on a TLS port": (
        {"URLS": "http://127.0.0.1:{ELASTICSEARCH}"},
        "speaks TLS, and we do not",
        "FLOWTIER_ELASTICSEARCH_URLS",
    ),
    "TLS on a plain port": (
        {"URLS": "https://127.0.0.1:{PLAINTEXT}"},
        "does not speak TLS",
        "FLOWTIER_ELASTICSEARCH_URLS",
    ),
}
