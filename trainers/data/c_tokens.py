"""C and C++ source as tokens, without a parser: for whatever counts, compares or skims functions."""

import re

# What is most frequent stands first: no two alternatives begin alike, but for `/`, `.` and what falls to the last.
_TOKEN = r"""
    [A-Za-z_$][\w$]*+                                  # names
    | [(){};,\[\]]
    | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'?      # strings and characters
    | \.?\d(?:[eEpP][+-]|[\w.])*                       # numbers
    | /\*.*?(?:\*/|\Z) | //[^\n]*                        # comments
    | ->|\+\+|--|<<=|>>=|<<|>>|[<>=!+\-*/%&|^]=|&&|\|\||\#\#|\.\.\. | \S
"""
TOKEN = re.compile(_TOKEN, re.VERBOSE | re.DOTALL)
# White space that is taken with the token before it is not tried as the start of one.
_TOKEN_AND_SPACE = re.compile(rf"({_TOKEN})\s*+", re.VERBOSE | re.DOTALL)
_KEYWORDS = """
    auto break case catch char class const constexpr const_cast continue default delete do double dynamic_cast else
    enum explicit extern false float for friend goto if inline int long mutable namespace new nullptr operator
    private protected public register reinterpret_cast restrict return short signed sizeof static static_cast struct
    switch template this throw true try typedef typename union unsigned using virtual void volatile wchar_t while
    bool _Bool NULL __attribute__ __attribute __inline __inline__ __restrict __volatile__ __asm__ asm
"""
KEYWORDS = frozenset(_KEYWORDS.split())


def all_tokens_of(func: str) -> list[str]:
    """Split C or C++ source into tokens, comments among them."""
    found: list[str] = _TOKEN_AND_SPACE.findall(func)
    return found


def tokens_of(func: str) -> list[str]:
    """Split C or C++ source into tokens, without its comments."""
    return [token for token in all_tokens_of(func) if not is_comment(token)]


def is_comment(token: str) -> bool:
    """Return whether a token is a comment."""
    return token.startswith(("//", "/*"))


def is_name(token: str) -> bool:
    """Return whether a token is a name or a keyword."""
    return token[0].isalpha() or token[0] in "_$"


def is_fixed(token: str) -> bool:
    """Return whether a change of the name could change the meaning, as far as the name itself shows."""
    return token in KEYWORDS or token.endswith("_t") or token.isupper()
