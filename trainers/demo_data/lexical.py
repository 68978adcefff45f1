"""Weaknesses inside a string literal, with the harmless text in a log line as their counterpart."""

from collections.abc import Callable

from trainers.demo_data.draft import Draft, Twin, quoted
from trainers.demo_data.names import BUFFERS, NOUNS, STRINGS
from trainers.demo_data.shares import Kind

WIDTHS = (16, 32, 64, 128, 256)


def sql_text(draft: Draft) -> Twin:
    """CWE-89: a query with a bound parameter, or with the value pasted in."""
    text, buffer, noun = draft.parameter("const char *", STRINGS), draft.array(BUFFERS, "256"), draft.pick(NOUNS)
    column, extra = draft.pick(("id", "owner", "tag")), draft.pick(("", " limit 1", " order by id"))
    caller = draft.pick(("snprintf({b}, 256, {q}, {t});", "query({b}, {q}, {t});", "build_sql({b}, {q}, {t});"))

    def steps(value: str, other: str) -> tuple[str, ...]:
        query = quoted(f"select {noun} where {column}={value}{extra}")
        statement = caller.format(b=buffer, q=query, t=text)
        return draft_log.format(other), statement

    draft_log = draft.log(f"{noun} {{}}", text)
    return Twin(kind=Kind.SQL_TEXT, cwe=89, safe=steps("?", "'%s'"), vulnerable=steps("'%s'", "?"))


def weak_cipher(draft: Draft) -> Twin:
    """CWE-327: an algorithm that holds, or one that is broken."""
    text, noun = draft.parameter("const char *", STRINGS), draft.pick(NOUNS)
    result = draft.local("char *", BUFFERS, "NULL")
    weak, strong = draft.pick(("md5", "des", "rc4", "sha1")), draft.pick(("sha256", "aes", "sha512", "blake2"))
    getter = draft.pick(("get_cipher", "new_digest", "evp_by_name"))
    log = draft.log(f"{noun} {{}}", text)

    def steps(used: str, named: str) -> tuple[str, ...]:
        return log.format(named), f"{result} = {getter}({quoted(f'{noun} {used}')}, {text});"

    return Twin(kind=Kind.WEAK_CIPHER, cwe=327, safe=steps(strong, weak), vulnerable=steps(weak, strong))


def scan_width(draft: Draft) -> Twin:
    """CWE-121: a scan width that fits the buffer, or one that is larger."""
    text, noun = draft.parameter("const char *", STRINGS), draft.pick(NOUNS)
    small, large = sorted(draft.random.sample(WIDTHS, 2))
    buffer = draft.array(BUFFERS, str(small))
    log = draft.log(f"{noun} %{{}}s", text)

    def steps(scanned: int, logged: int) -> tuple[str, ...]:
        return log.format(logged - 1), f"sscanf({text}, {quoted(f'{noun}=%{scanned - 1}s')}, {buffer});"

    return Twin(kind=Kind.SCAN_WIDTH, cwe=121, safe=steps(small, large), vulnerable=steps(large, small))


LEXICAL: dict[Kind, Callable[[Draft], Twin]] = {
    Kind.SQL_TEXT: sql_text,
    Kind.WEAK_CIPHER: weak_cipher,
    Kind.SCAN_WIDTH: scan_width,
}
