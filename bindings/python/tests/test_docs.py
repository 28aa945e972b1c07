"""The code of the pages runs and prints what they say."""

import contextlib
import io
import re

import pytest
from conftest import ROOT

BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["docs/python.md", "bindings/python/README.md"])
def test_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert any(language == "python" for language, _ in blocks)
    names, printed = {"__name__": "page"}, None
    for language, text in blocks:
        if language == "python":
            assert not printed, f"{page} does not show: {printed}"
            if text.startswith("import torch"):
                pytest.importorskip("torch")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(text, page, "exec"), names)
            printed = out.getvalue()
        elif language == "text" and printed is not None:
            assert printed == text
            printed = None
    assert not printed, f"{page} does not show: {printed}"
