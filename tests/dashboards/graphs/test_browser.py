"""A machine without a browser."""

import pytest

from tests.dashboards.graphs.browser import BrowserError, browser


def test_a_missing_browser_is_named_with_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrowserError, match=r"Chromium is needed .* apt-get install chromium"), browser():
        pass
