"""YAML as people mean it: the scalars of YAML 1.2, and no guess where its versions or its readers differ.

YAML 1.1, which the library reads, takes `2026-01-31` for a date, `12:30` for 750, `010` for 8 and `NO` for false, and
of two equal keys the last. Here `NO` is text; the others, and a key that is there twice, are mistakes with their lines.

Source:
    YAML 1.2.2, section 10.3.2 (core schema).
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

NULL = re.compile(r"|~|null|Null|NULL")
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
HEXADECIMAL_OR_OCTAL = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
# What other readers of YAML, or other versions of it, take for something else than text; each with what they see.
AMBIGUOUS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\d{4}-\d\d?-\d\d?([Tt \t].*)?"), "a date"),
    (re.compile(r"[-+]?\d+(:[0-5]?\d)+(\.\d*)?"), "a number of base 60"),
    (re.compile(r"[-+]?0[0-9_]+"), "an octal number"),
    (re.compile(r"[-+]?0b[01_]+|[-+]?(?=\d+_)[\d_]+(\.[\d_]*)?"), "a number"),
    (re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE), "no finite number"),
)
MERGE = "<<"
TEXT_TAG = "tag:yaml.org,2002:str"
COLLECTION_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
# Aliases of aliases stand for any number of values.
MOST_VALUES = 100_000
MOST_DIGITS = 1_000
MAX_LISTED = 20


class YamlMistakes(Exception):
    """What in a YAML text cannot be taken, each with its line and its place."""

    def __init__(self, mistakes: list[str]) -> None:
        more = [f"… and {len(mistakes) - MAX_LISTED} more"] if len(mistakes) > MAX_LISTED else []
        super().__init__("\n  ".join(["cannot be taken as it is", *mistakes[:MAX_LISTED], *more]))


def yaml_value(text: str) -> Any:
    """Return the value of a YAML text: mappings with keys of text, lists, text, numbers, booleans and null.

    Raises:
        YamlMistakes: A plain value that other readers take for something else, a key that is there twice, or a tag.
        yaml.YAMLError: It is not YAML, or several documents.
        RecursionError: It is nested too deep.
    """
    # This loader leaves every scalar as text.
    node = yaml.compose(text, Loader=yaml.BaseLoader)
    if node is None:
        return None
    reading = _Reading()
    value = reading.value(node, "")
    if reading.mistakes:
        raise YamlMistakes(reading.mistakes)
    return value


class _Reading:
    """Turns nodes into values and collects mistakes."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self._open: set[int] = set()
        self._values = 0

    def value(self, node: yaml.Node, pointer: str) -> Any:
        """Return a node's value; null where a mistake was found."""
        self._values += 1
        if self._values > MOST_VALUES:
            if self._values == MOST_VALUES + 1:
                self._add(node, pointer, f"there are more than {MOST_VALUES} values", "write fewer, or fewer aliases")
            return None
        if node.tag not in (TEXT_TAG, *COLLECTION_TAGS):
            return self._add(node, pointer, f"found the tag {node.tag}", "leave it out")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, pointer)
        if id(node) in self._open:
            return self._add(node, pointer, "found an alias of what it stands in", "write the value itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, pointer)
            return [self.value(item, f"{pointer}/{place}") for place, item in enumerate(node.value)]
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.MappingNode, pointer: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._add(key, pointer, "found a key that is no text", "write a name")
                continue
            name = key.value
            place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            if name == MERGE and key.style is None:
                for base in self._bases(item, pointer):
                    merged = {**base, **merged}
                continue
            if name in found:
                self._add(key, place, f"found a second time, first in line {first_lines[name]}", "keep one of them")
                continue
            first_lines[name] = key.start_mark.line + 1
            found[name] = self.value(item, place)
        return {**merged, **found}

    def _bases(self, node: yaml.Node, pointer: str) -> Iterator[dict[str, Any]]:
        """Yield the mappings that `<<` merges; the first one counts most."""
        bases = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for base in bases:
            found = self.value(base, pointer)
            if isinstance(found, dict):
                yield found
            else:
                self._add(base, pointer, f"found {MERGE} without a mapping", "merge an alias of a mapping")

    def _scalar(self, node: yaml.ScalarNode, pointer: str) -> Any:
        text: str = node.value
        if node.style is not None:
            return text
        for pattern, seen in AMBIGUOUS:
            if pattern.fullmatch(text):
                return self._add(node, pointer, f"found {text[:40]}, which may be {seen}", _advice(text, seen))
        return self._plain(node, pointer, text)

    def _plain(self, node: yaml.ScalarNode, pointer: str, text: str) -> Any:
        if NULL.fullmatch(text):
            return None
        if BOOLEAN.fullmatch(text):
            return text.lower() == "true"
        if len(text) <= MOST_DIGITS and INTEGER.fullmatch(text):
            return int(text)
        if len(text) <= MOST_DIGITS and HEXADECIMAL_OR_OCTAL.fullmatch(text):
            return int(text, base=0)
        if FLOAT.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                return self._add(node, pointer, f"found {text[:40]}", "write a smaller number, or text in quotes")
            return number
        return text

    def _add(self, node: yaml.Node, pointer: str, found: str, fix: str) -> None:
        self.mistakes.append(f"line {node.start_mark.line + 1}, {pointer or '/'}: {found}; {fix}")


def _advice(text: str, seen: str) -> str:
    if seen == "no finite number":
        return "write a number, or text in quotes"
    return f'write it in quotes: "{text[:40]}"' + ("" if seen == "a date" else ", or as a plain decimal number")
