"""The names that published sets give to each of our fields; `fields` in the spec maps any other."""

from cellgate.contract.configs import FieldNames

# In the order in which they are looked for: a new name is appended.
KNOWN_FIELDS: dict[str, tuple[str, ...]] = {
    "func": (
        *("func", "func_before", "processed_func", "code", "function"),
        *("source_code", "functionSource", "func_code", "raw_code", "func_body", "function_code"),
    ),
    "target": ("target", "label", "vul", "is_vul", "is_vulnerable", "vulnerable", "before_change", "safety"),
    "id": ("id", "idx", "index"),
    "split": ("split", "partition"),
    "project": ("project", "project_name", "repo", "repository", "repo_name", "repo_url", "project_url"),
    "commit": ("commit", "commit_id", "commit_hash", "commit_sha", "commit_url", "commit_link", "git_url"),
    "cwe": ("cwe", "CWE ID", "cwe_id", "cwe_ids", "CWE_ID", "CWE-ID", "vul_type", "cwe_list"),
    "pair": ("pair", "pair_id"),
    "before": (
        *("before", "func_before", "func_src_before", "code_before", "vulnerable_code", "func_vulnerable"),
        *("vulnerable_func", "vuln_func", "vul_func", "source_before", "buggy"),
    ),
    "after": (
        *("after", "func_after", "func_src_after", "code_after", "fixed_code", "func_patched"),
        *("patched_func", "fixed_func", "patched_code", "secure_code", "source_after", "fixed"),
    ),
    "date": (
        *("date", "commit_date", "committer_date", "author_date", "commit_time", "committed_date"),
        *("Publish Date", "publish_date", "published_date", "timestamp"),
    ),
    "language": ("language", "lang", "programming_language", "extension", "file_name", "file_path", "filename"),
}
# What each of them holds, in words.
MEANING = {
    "func": "a function's text",
    "before": "a function's text before the fix",
    "after": "a function's text after the fix",
    "target": "the label",
    "id": "an id",
    "split": "a split",
    "project": "a project",
    "commit": "a commit",
    "cwe": "a weakness",
    "pair": "what ties a pair together",
    "date": "a date",
    "language": "a language",
}
REQUIRED = ("func", "target")
# Columns that show a language by a file's suffix alone.
FILE_NAMES = frozenset({"file_name", "file_path", "filename"})
# What a function's text may stand in.
TEXT_NAMES = frozenset((*KNOWN_FIELDS["func"], *KNOWN_FIELDS["before"], *KNOWN_FIELDS["after"]))
# Fields of ours that hold text about a function.
ABOUT = ("id", "split", "project", "commit", "cwe", "pair")


def named(fields: FieldNames) -> dict[str, str]:
    """Return the columns that a configuration names, by our field."""
    return {name: column for name, column in fields.model_dump().items() if column is not None}


def is_code(value: object) -> bool:
    """Return whether a value looks like a function's text."""
    return isinstance(value, str) and "{" in value and "(" in value
