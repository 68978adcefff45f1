"""C functions as pairs, one vulnerable and one patched, for the demo and the tests.

Both members of a pair are made of the same tokens in another order, so counting tokens reveals nothing: the label
follows from order and data flow. The kinds, and which model can learn which, are in `shares`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from cellgate.contract.errors import InputError, SpecError
from cellgate.contract.files import atomic_file
from trainers.demo_data.distractors import distractor
from trainers.demo_data.draft import Draft, Statements, Twin, function_source
from trainers.demo_data.guarded import ARRANGEMENTS as GUARDED
from trainers.demo_data.guarded import guarded
from trainers.demo_data.names import NOUNS, PROJECTS, VERBS
from trainers.demo_data.renaming import renamed
from trainers.demo_data.shares import Kind, Shares
from trainers.demo_data.weaknesses import ARITHMETIC, LEXICAL, lifetime
from trainers.demo_data.weaknesses import ARRANGEMENTS as LIFETIME

RETURN_TYPES = ("int", "static int", "long", "static long")
RESULTS = ("0", "2")
MAX_DISTRACTORS = 2
NOISE_PROBABILITY = 0.4
# So many draws in a row that were all seen before mean that the kinds can make no new function.
MAX_REPEATS = 2000


def generate(*, functions: int, seed: int, shares: Shares | None = None) -> Iterator[dict[str, object]]:
    """Yield `functions` rows: two by two, a vulnerable function and its patched version.

    No two rows are equal, not even after their identifiers are renamed.

    Args:
        functions: An even number of rows, 2 or more.
        seed: The same seed gives the same rows in every process.
        shares: How often each family of kinds appears; default: the demo's shares.

    Returns:
        Rows with `id`, `func`, `target` (1 vulnerable, 0 patched), `project`, `commit` (one per pair), `cwe`,
        `pair` and `kind`.

    Raises:
        SpecError: `functions` is odd or too small, or more than the kinds can give without a repetition.
    """
    if functions < 2 or functions % 2:
        problem = InputError(where="functions", found=str(functions), expected="an even number, 2 or more")
        raise SpecError("Functions are generated in pairs.", [problem])
    by_kind = (shares or Shares()).by_kind()
    return _rows(pairs=functions // 2, seed=seed, kinds=list(by_kind), weights=list(by_kind.values()))


def write_jsonl(path: Path, *, functions: int, seed: int, shares: Shares | None = None) -> None:
    """Write the rows of `generate` to `path` as JSON lines; the file is whole or not there.

    Args:
        path: Replaced atomically.
        functions: How many to write.
        seed: The same seed gives the same bytes.
        shares: How often each kind of function comes; default: those of the demo.

    Raises:
        SpecError: As `generate`.
    """
    rows = generate(functions=functions, seed=seed, shares=shares)
    with atomic_file(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _rows(*, pairs: int, seed: int, kinds: list[Kind], weights: list[float]) -> Iterator[dict[str, object]]:
    random = Random(seed)
    seen: set[str] = set()
    for number in range(pairs):
        # The kind is drawn once: kinds with fewer functions are not replaced by others when a draw repeats.
        kind = random.choices(kinds, weights)[0]
        twin, sources = _new_pair(kind, random, seen)
        pair = f"pair-{seed}-{number:06d}"
        commit = hashlib.sha256(pair.encode()).hexdigest()[:40]
        project = random.choice(PROJECTS)
        for target in random.sample((0, 1), 2):
            yield {
                "id": f"{pair}-{'vulnerable' if target else 'patched'}",
                "func": sources[target],
                "target": target,
                "project": project,
                "commit": commit,
                "cwe": f"CWE-{twin.cwe}",
                "pair": pair,
                "kind": twin.kind.value,
            }


def _new_pair(kind: Kind, random: Random, seen: set[str]) -> tuple[Twin, tuple[str, str]]:
    for _ in range(MAX_REPEATS):
        twin, sources = _pair(kind, random)
        forms = {renamed(source) for source in sources}
        if len(forms) == 2 and seen.isdisjoint(forms):
            seen |= forms
            return twin, sources
    problem = InputError(where=kind, found=f"{len(seen)} functions so far", expected="more room for new ones")
    raise SpecError("The kind has no new function left; generate fewer, or give it a smaller share.", [problem])


def _pair(kind: Kind, random: Random) -> tuple[Twin, tuple[str, str]]:
    """Return a twin and the sources of its patched and its vulnerable member."""
    draft = Draft(random)
    twin = _twin(kind, draft)
    others = [distractor(draft) for _ in range(random.randint(0, MAX_DISTRACTORS))]
    others += [statement for statement in twin.noise if random.random() < NOISE_PROBABILITY]
    gaps = [random.randint(0, len(twin.safe)) for _ in others]
    name, returns = f"{random.choice(VERBS)}_{random.choice(NOUNS)}", random.choice(RETURN_TYPES)
    result = random.choice(RESULTS)

    def source(steps: Statements) -> str:
        body = _interleaved(steps, tuple(others), gaps)
        return function_source(draft=draft, returns=returns, name=name, body=body, result=result)

    return twin, (source(twin.safe), source(twin.vulnerable))


def _twin(kind: Kind, draft: Draft) -> Twin:
    if kind in GUARDED:
        return guarded(kind, draft)
    if kind in LIFETIME:
        return lifetime(kind, draft)
    builders: dict[Kind, Callable[[Draft], Twin]] = {**ARITHMETIC, **LEXICAL}
    return builders[kind](draft)


def _interleaved(steps: Statements, others: Statements, gaps: list[int]) -> Statements:
    """Put each of `others` before the step that its gap names, or after the last one."""
    body: list[Statements] = [
        (*(other for other, at in zip(others, gaps, strict=True) if at == gap), *steps[gap : gap + 1])
        for gap in range(len(steps) + 1)
    ]
    return tuple(statement for part in body for statement in part)
