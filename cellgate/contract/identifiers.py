"""Patterns of identifiers (a prefix for the kind and a ULID), and the folder that is named by them."""

ULID = "[0-9A-Z]{26}"
DATASET_ID = f"^ds_{ULID}$"
EXPERIMENT_ID = f"^exp_{ULID}$"
JOB_ID = f"^job_{ULID}$"
RUN_ID = f"^run_{ULID}$"
BUNDLE_ID = f"^bun_{ULID}$"
UPLOAD_ID = f"^upl_{ULID}$"
TOKEN_ID = f"^tok_{ULID}$"
PRINCIPAL_ID = f"^pri_{ULID}$"
WEBHOOK_ID = f"^wh_{ULID}$"


def attempt_path(run_id: str, attempt: int) -> str:
    """Return the folder of one attempt, relative to the artifact root."""
    return f"runs/{run_id}/attempt-{attempt}"
