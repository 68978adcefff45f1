"""A function while it is being written: its names, parameters, declarations and way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from trainers.demo_data.names import COUNTERS, EXITS, LOGGERS
from trainers.demo_data.shares import Kind


@dataclass(frozen=True, kw_only=True)
class Block:
    """A head such as `if (x)` with its body and, where `otherwise` is not empty, an else branch.

    Args:
        head: What stands before the body.
        body: One statement or more.
        otherwise: Body of the else branch, or nothing.
        braces: Braces even around a single plain statement, so that two members of a pair have as many.
    """

    head: str
    body: "Statements"
    otherwise: "Statements" = ()
    braces: bool = False


Statement = str | Block
Statements = tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class Twin:
    """Two bodies of one function that use the same tokens, of which one is vulnerable.

    Args:
        kind: How the two differ.
        cwe: Number of the weakness in MITRE's list.
        safe: The patched body, in steps between which other statements may stand.
        vulnerable: The vulnerable body, in as many steps.
        noise: Statements that change neither label wherever they stand.
    """

    kind: Kind
    cwe: int
    safe: Statements
    vulnerable: Statements
    noise: Statements = ()


class Draft:
    """Hands out names that are used once, and collects the declarations of the function."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.parameters: list[str] = []
        self.declarations: list[str] = []
        self.leave: str = random.choice(EXITS)
        self._used: set[str] = set()
        self._counters: list[str] = []
        self._checksum = ""

    def pick(self, options: Sequence[str]) -> str:
        """Return one of `options`."""
        return self.random.choice(options)

    def name(self, pool: Sequence[str]) -> str:
        """Return a name from `pool` that the function does not use yet."""
        free = [word for word in pool if word not in self._used]
        word = self.random.choice(free) if free else f"{self.random.choice(pool)}{len(self._used)}"
        self._used.add(word)
        return word

    def parameter(self, type_: str, pool: Sequence[str]) -> str:
        """Add a parameter and return its name."""
        name = self.name(pool)
        self.parameters.append(f"{type_}{name}")
        return name

    def local(self, type_: str, pool: Sequence[str], value: str) -> str:
        """Declare a local variable that starts as `value` and return its name.

        Args:
            type_: C type, with the space or star before the name.
            pool: Names to draw from; one that is taken is not drawn again.
            value: C expression.
        """
        name = self.name(pool)
        self.declarations.append(f"{type_}{name} = {value};")
        return name

    def array(self, pool: Sequence[str], capacity: str) -> str:
        """Declare a local char array and return its name."""
        name = self.name(pool)
        self.declarations.append(f"char {name}[{capacity}];")
        return name

    def counter(self) -> str:
        """Return one of at most two plain integers, declared at its first use."""
        if len(self._counters) < 2 and (not self._counters or self.random.random() < 0.5):
            self._counters.append(self.local("int ", COUNTERS, self.pick(("0", "1", "get_mode()", "read_state()"))))
        return self.pick(self._counters)

    def checksum(self) -> str:
        """Return the name of an accumulator, declared at its first use."""
        if not self._checksum:
            self._checksum = self.local("unsigned int ", ("crc", "sum", "hash", "acc"), "0")
        return self._checksum

    def log(self, message: str, *arguments: str) -> str:
        """Return a logging statement."""
        return f"{self.pick(LOGGERS)}({', '.join([quoted(message), *arguments])});"


def quoted(text: str) -> str:
    """Return `text` as a C string literal; it must hold nothing that needs an escape."""
    return f'"{text}"'


INDENT = "    "


def function_source(*, draft: Draft, returns: str, name: str, body: Statements, result: str) -> str:
    """Return the source of a whole function, ending with a newline.

    Args:
        draft: Parameters, declarations and the way out.
        returns: Return type, with storage class.
        name: The function's name.
        body: Its statements after the declarations.
        result: What it returns when it comes to its end.
    """
    lines = [f"{returns} {name}({', '.join(draft.parameters) or 'void'})", "{"]
    lines += [INDENT + declaration for declaration in draft.declarations]
    lines += statement_lines(body, depth=1)
    lines.append(f"{INDENT}return {result};")
    if draft.leave.startswith("goto ") and any(draft.leave in line for line in lines):
        lines += [f"{draft.leave.removeprefix('goto ').removesuffix(';')}:", f"{INDENT}return -1;"]
    return "\n".join([*lines, "}"]) + "\n"


def statement_lines(statements: Statements, *, depth: int) -> list[str]:
    """Return the lines of `statements`; a body of one plain statement stands without braces."""
    lines: list[str] = []
    for statement in statements:
        if isinstance(statement, str):
            lines.append(INDENT * depth + statement)
        else:
            lines += block_lines(statement, depth=depth)
    return lines


def block_lines(block: Block, *, depth: int) -> list[str]:
    """Return the lines of a block with its else branch."""
    lines = branch_lines(block.head, block.body, depth=depth, braces=block.braces)
    if block.otherwise:
        lines += branch_lines("else", block.otherwise, depth=depth, braces=block.braces)
    return lines


def branch_lines(head: str, body: Statements, *, depth: int, braces: bool) -> list[str]:
    """Return one head with its body.

    Args:
        head: `if (…)`, `else` or the head of a loop.
        body: Statements inside.
        depth: Levels of indentation of the head.
        braces: Use braces even around a single statement.
    """
    plain = not braces and len(body) == 1 and isinstance(body[0], str)
    inner = statement_lines(body, depth=depth + 1)
    margin = INDENT * depth
    return [margin + head, *inner] if plain else [f"{margin}{head} {{", *inner, f"{margin}}}"]
