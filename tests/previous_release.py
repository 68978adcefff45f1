"""The release before this one: compatibility tests build its API and workers from this commit."""

VERSION = "0.1.0"
COMMIT = "38daa5fc86f220b0fd0c91ca52286e285a84c69c"
