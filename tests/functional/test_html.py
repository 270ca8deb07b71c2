"""The report as a page: complete, escaped, and in need of nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import dgrad
from dgrad.functional import Check, Entry, Report, check_op, gradcheck

VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Text, attributes and tags of a page; every tag must be closed in its turn."""

    def __init__(self, page):
        super().__init__()
        self.open, self.text, self.tags, self.links = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "style", "onclick")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture(scope="module")
def failed():
    entry = Entry((1, 2), "output (0,)", 2.5, 1.25, 0.5, 1.0, 1.5)
    lost = Entry(None, "random projection", np.nan, np.inf, np.inf, 0.0, 1.0)
    checks = [
        Check("op", "exp", "x", "ok", compared=40, max_error=1e-16, methods=("complex step",)),
        Check("op", "sum", "x", "wrong", 2, 9, 1, 0.5, (entry, lost), "off by a factor"),
        Check("op", "relu", "x", "kink", 1, 9, 1, 0.0, (entry,), "not differentiable"),
        Check("layer", "<b>&'\"\x1b[2J\ud800", "in", "skipped: no example", note="</td><script>"),
    ]
    return Report(checks, 7, {"order": 2, "exact": 1e-12})


def test_page_needs_nothing_else(failed):
    page = failed.to_html()
    read = Reader(page)
    assert not read.links
    assert not {"script", "link", "img", "iframe", "object"} & set(read.tags)
    assert not re.search(r"https?:|//|@import|url\(", page)
    assert '<meta name="viewport" content="width=device-width' in page
    assert '<meta charset="utf-8">' in page
    assert "@media (max-width" in page


def test_page_tells_all(failed):
    text = " ".join(Reader(failed.to_html()).text)
    for words in (
        "1 of 4 checks failed", "op sum", "off by a factor", "(1, 2)", "random direction",
        "random projection", "2.5", "1.25", "nan", "inf", "complex step", "order 2", "exact 1e-12",
        "1 kink, 1 ok, 1 skipped: no example, 1 wrong", f"dgrad {dgrad.__version__}",
        f"NumPy {np.__version__}", "Python 3", "1.0e-16",
    ):  # fmt: skip
        assert words in text, words


def test_text_is_escaped_and_cannot_drive_anything(failed):
    page = failed.to_html()
    assert "<script>" not in page
    assert "\x1b" not in page
    page.encode("utf-8")
    assert "<b>&'\"\\x1b[2J\\ud800" in " ".join(Reader(page).text)


def test_verdicts_have_colours(failed):
    page = failed.to_html()
    for verdict, style in (
        ("ok", "good"), ("wrong", "bad"), ("kink", "open"), ("skipped: no example", "none"),
    ):  # fmt: skip
        assert f'<span class="tag {style}">{verdict}</span>' in page
        assert f".{style} {{" in page
    assert 'class="banner bad"' in page


def test_page_of_what_has_passed():
    report = Report(check_op("tanh"), 0)
    text = " ".join(Reader(report.to_html()).text)
    assert f"All {len(report.checks)} checks passed" in text
    assert 'class="banner good"' in report.to_html()
    assert "failed" not in text
    assert "Nothing was checked" in Report([]).to_html()


def test_page_is_the_same_for_the_same_seed():
    def page(seed):
        x = np.linspace(0.1, 1, 5)
        return gradcheck(dgrad.exp, x, seed=seed, raise_exception=False).to_html()

    assert page(1) == page(1)
