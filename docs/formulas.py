"""Turns the site's LaTeX formulas into MathML, which browsers draw without a script."""

import html
import re

from latex2mathml import converter

# What the Markdown extension arithmatex makes of a formula in the text, or on a line of its own.
_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)


def on_page_content(content, **_):
    """Replaces the formulas of a page; MkDocs calls this with each page's HTML."""
    return _FORMULA.sub(_as_mathml, content)


def _as_mathml(formula):
    display = "block" if formula["tag"] == "div" else "inline"
    return converter.convert(html.unescape(formula["latex"]), display=display)
