"""C source from statements."""

from trainers.demo_data.draft import Block, Draft, Statements

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
