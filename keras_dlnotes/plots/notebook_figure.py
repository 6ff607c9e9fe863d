"""A figure that shows itself in a notebook. Importing this module needs Matplotlib."""

import io

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that a notebook shows at the end of a cell, even if pyplot was never imported.

    A notebook draws Matplotlib's own figures only after pyplot has made one.
    """

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
