"""Write the table of docs/reference/rights.md anew: `python scripts/write_rights.py`."""

from pathlib import Path

from service.rights_table import CALLERS, markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "rights.md"
HEADING = """## Routes

What a service that needs a token answers to a valid request. `scripts/write_rights.py` writes this table from the code.

"""


def rewritten(text: str) -> str:
    """Return the page with the table as it is now."""
    above, _, below = text.partition(HEADING)
    _, mark, rest = below.partition("\n## ")
    return f"{above}{HEADING}{markdown()}{mark}{rest}"


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text("utf-8")), "utf-8")
    print(f"{PAGE}: a column for each of {', '.join(CALLERS)}")
