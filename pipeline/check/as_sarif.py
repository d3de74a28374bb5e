"""A check's report as SARIF 2.1.0, which code hosts show beside the lines of a pull request."""

from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from pipeline.check.findings import Found, Lint
from pipeline.check.registry import RULES
from pipeline.check.report import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(report: Report) -> str:
    """One run, with every rule that there is and one result for each finding."""
    run = {
        "tool": {"driver": {"name": "flowtier check", "rules": [_rule(lint) for lint in RULES]}},
        "columnKind": "utf16CodeUnits",
        "results": [_result(each) for each in report.found],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def _rule(lint: Lint) -> dict[str, Any]:
    return {
        "id": lint.id,
        "shortDescription": {"text": lint.says},
        "help": {"text": lint.do},
        "defaultConfiguration": {"level": lint.severity},
    }


def _result(found: Found) -> dict[str, Any]:
    problem = found.problem
    named = f"{found.lint.id} {problem.file} {problem.field}".encode()
    return {
        "ruleId": found.lint.id,
        "ruleIndex": [lint.id for lint in RULES].index(found.lint.id),
        "level": found.lint.severity,
        "message": {"text": f"{problem.field}: {problem.reason}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(problem.file)},
                    "region": {"startLine": problem.line},
                },
                "logicalLocations": [{"fullyQualifiedName": problem.field}],
            }
        ],
        "partialFingerprints": {"ruleFileField/v1": sha256(named).hexdigest()},
    }


def _uri(name: str) -> str:
    """A file as a reference: what stands in a git revision by its path there."""
    path = Path(name)
    if path.is_absolute():
        return path.as_uri()
    return quote(name if path.exists() else name.rpartition(":")[2] or name)
