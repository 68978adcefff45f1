"""What the site has beside `docs/`: pages from the repository's root and from `bench/`, with links that fit both.

Source:
    Hooks of MkDocs 1.6, "on_files" and "on_page_markdown".
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = "docs"
# Where each page of the repository stands on the site; a README would be taken for its folder's index.
PAGES = {
    "README.md": "first-run.md",
    "ARCHITECTURE.md": "ARCHITECTURE.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "bench/README.md": "bench/README.md",
    "bench/peers/README.md": "bench/peers/README.md",
}
FAVICON = REPOSITORY / "web" / "public" / "favicon.svg"
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are not below `docs/`, and the icon."""
    for name, place in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(REPOSITORY / name)))
    files.append(File.generated(config, "favicon.svg", abs_src_path=str(FAVICON)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    source = page.file.src_uri
    in_repository = next((name for name, place in PAGES.items() if place == source), f"{DOCS}/{source}")

    def on_site(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), found[2]))
        if target.startswith(f"{DOCS}/"):
            place = target.removeprefix(f"{DOCS}/")
        elif target in PAGES:
            place = PAGES[target]
        else:
            # A file that is no page: its name is what the reader can use.
            return found[1].removesuffix("](").lstrip("![")
        return f"{found[1]}{posixpath.relpath(place, posixpath.dirname(source) or '.')}{found[3]}"

    return LINK.sub(on_site, markdown)
