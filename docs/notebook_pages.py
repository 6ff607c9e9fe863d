"""Makes a page of each notebook: its text, its code, and the outputs that it was saved with."""

import html
import itertools
import json
import re

from mkdocs.structure.files import File

_SUFFIX = ".ipynb"
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


class NotebookFile(File):
    """A notebook, which MkDocs would copy without this."""

    def is_documentation_page(self):
        """Has MkDocs make a page of it."""
        return True


def on_files(files, config, **_):
    """Takes the notebooks as pages, and keeps a copy of each to download."""
    for file in [file for file in files if file.src_uri.endswith(_SUFFIX)]:
        files.remove(file)
        page = NotebookFile(file.src_uri, file.src_dir, file.dest_dir, file.use_directory_urls)
        copy = File.generated(config, _copy_of(file), abs_src_path=file.abs_src_path)
        files.append(page)
        files.append(copy)
    return files


def on_page_read_source(page, **_):
    """Writes a notebook as Markdown; other pages MkDocs reads itself."""
    if not isinstance(page.file, NotebookFile):
        return None
    parts, heading = [], ""
    for cell in json.loads(page.file.content_string)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            heading = (_HEADING.findall(source) or [heading])[-1]
        else:
            parts.append(_fenced(source, "python"))
            parts += _shown(cell["outputs"], heading)
    copy = _copy_of(page.file).rpartition("/")[2]
    parts.append(f"[Download this notebook](files/{copy})")
    return "\n\n".join(parts)


def _copy_of(file):
    folder, _, name = file.src_uri.rpartition("/")
    return f"{folder}/files/{name}"


def _shown(outputs, heading):
    """The outputs of a cell: pictures where there are some, else HTML, else text."""
    for printed, group in itertools.groupby(outputs, lambda output: "text" in output):
        if printed:  # in pieces, as it was printed
            yield _fenced("".join("".join(output["text"]) for output in group), "text")
            continue
        for data in (output["data"] for output in group):
            if "image/png" in data:
                image = "".join(data["image/png"]).replace("\n", "")
                yield f'<img alt="{html.escape(heading)}" src="data:image/png;base64,{image}">'
            elif "text/html" in data:
                yield f'<div class="notebook-output">{"".join(data["text/html"])}</div>'
            else:
                yield _fenced("".join(data["text/plain"]), "text")


def _fenced(text, language):
    kind = "notebook-output" if language == "text" else "notebook-code"
    return f"````{{.{language} .{kind}}}\n{text.rstrip()}\n````"
