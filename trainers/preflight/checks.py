"""Collects checks and goes on after a failed one: an unexpected error is a failed check."""

from collections.abc import Callable, Iterable

from cellgate.contract.errors import InterruptedRun, TrainerError, is_out_of_memory
from cellgate.contract.results import Check, PreflightVerdict
from cellgate.contract.storage import is_disk_full

# Of one error: a page of them helps nobody.
MAX_DETAIL_CHARS = 600


def make_check(name: str, verdict: PreflightVerdict, detail: str, *, fix: str = "") -> Check:
    """Return one check's outcome; a passed check has no fix.

    Args:
        name: Stable, as in the result.
        verdict: pass, warn or fail.
        detail: What was found, with figures.
        fix: What to do; left out of a check that passes.
    """
    return Check(name=name, verdict=verdict, detail=detail, fix="" if verdict == "pass" else fix)


class CheckCollector:
    """Collects checks, each guarded, so that all problems come to light at once.

    Args:
        prefix: Of the checks' names.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = f"{prefix}_" if prefix else ""
        self.made: list[Check] = []

    def passed(self, *names: str) -> bool:
        """Whether all of these were made and none of them failed."""
        verdicts = {check.name: check.verdict for check in self.made}
        return all(verdicts.get(self._prefix + name, "fail") != "fail" for name in names)

    def add(self, name: str, verdict: PreflightVerdict, detail: str, *, fix: str = "") -> None:
        """Add one outcome.

        Args:
            name: Without the prefix.
            verdict: pass, warn or fail.
            detail: What was found, with figures.
            fix: What to do where it does not pass.
        """
        self.made.append(make_check(self._prefix + name, verdict, detail, fix=fix))

    def extend(self, checks: Iterable[Check]) -> None:
        """Add finished checks as they are."""
        self.made.extend(checks)

    def guard(self, name: str, check: Callable[[], None], *, needs: Iterable[str] = ()) -> None:
        """Run a check that adds its own outcome, unless a check that it needs has failed.

        Args:
            name: Of the check that fails when `check` raises.
            check: Adds its own outcomes.
            needs: Names of checks without which this one makes no sense.

        Raises:
            InterruptedRun: A stop was requested.
            OSError: The disk is full; also as another error that was raised for it.
        """
        if not self.passed(*needs):
            return
        try:
            check()
        except InterruptedRun:
            raise
        # A smoke test exists to find what stops a training run, so no error of it may end the pre-flight.
        except Exception as error:
            if is_disk_full(error):
                # Of the machine, not of what is tried: the run waits until there is room.
                raise
            detail, fix = _describe(error)
            self.add(name, "fail", detail, fix=fix)


def _describe(error: Exception) -> tuple[str, str]:
    if is_out_of_memory(error) and not isinstance(error, TrainerError):
        return f"memory ran out: {error or type(error).__name__}"[:MAX_DETAIL_CHARS], "use a smaller model or batch"
    if isinstance(error, TrainerError):
        fixes = [problem.fix for problem in error.problems if problem.fix]
        return str(error)[:MAX_DETAIL_CHARS], "; ".join(dict.fromkeys(fixes)) or "see the detail"
    return f"{type(error).__name__}: {error}"[:MAX_DETAIL_CHARS], "see the detail"
