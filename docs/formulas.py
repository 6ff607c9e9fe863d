"""Turns the site's LaTeX formulas into MathML, which browsers draw without a script."""

import html
import logging
import re

from latex2mathml import converter

# What the Markdown extension arithmatex makes of a formula in the text, or on a line of its own.
_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
_COMMANDS = {r"\arg": r"\operatorname{arg}"}  # which the converter does not know
_LOG = logging.getLogger("mkdocs.hooks.formulas")


def on_page_content(content, page, **_):
    """Replaces the formulas of a page; MkDocs calls this with each page's HTML."""

    def as_mathml(formula):
        latex = html.unescape(formula["latex"])
        for command, known in _COMMANDS.items():
            latex = latex.replace(command, known)
        display = "block" if formula["tag"] == "div" else "inline"
        mathml = converter.convert(latex, display=display)
        if "\\" in html.unescape(mathml):
            _LOG.warning("%s: a command of this formula is not known: %s", page.file.src_uri, latex)
        return mathml

    return _FORMULA.sub(as_mathml, content)
