"""A check's report as JUnit XML, which CI servers show as tests."""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pipeline.check.report import Report


def as_junit(report: Report) -> str:
    """A test for each finding, which fails if the finding lets the check fail, and for each file without."""
    suites = Element("testsuites")
    suite = SubElement(suites, "testsuite", name="flowtier check")
    for found in report.found:
        problem = found.problem
        name = f"{found.lint.id} {problem.field} (line {problem.line})"
        test = SubElement(suite, "testcase", classname=_plain(problem.file), name=_plain(name))
        text = _plain(f"{problem}\n{found.lint.says}\n{found.lint.do}")
        if report.fails(found):
            attributes = {"message": _plain(problem.reason), "type": found.lint.severity}
            SubElement(test, "failure", attributes).text = text
        else:
            SubElement(test, "system-out").text = f"{found.lint.severity}: {text}"
    told = {found.problem.file for found in report.found}
    for file in report.files:
        if file not in told:
            SubElement(suite, "testcase", classname=_plain(file), name="nothing found")
    for element in (suites, suite):
        element.set("tests", str(len(suite)))
        element.set("failures", str(sum(map(report.fails, report.found))))
    indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(suites, encoding="unicode")}\n'


def _plain(text: str) -> str:
    """The text with what XML 1.0 cannot hold replaced."""
    return "".join(c if (c >= " " and c not in "￾￿") or c in "\t\n" else "�" for c in text)
