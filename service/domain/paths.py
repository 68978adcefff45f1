"""Where things lie below the artifact root. Pure."""


def attempt_path(run_id: str, attempt: int) -> str:
    """Return the folder of one attempt, relative to the artifact root."""
    return f"runs/{run_id}/attempt-{attempt}"
