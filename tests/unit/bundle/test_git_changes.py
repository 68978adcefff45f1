"""Which functions changed since a commit, as git tells it, whatever the names and the lines."""

import subprocess
from pathlib import Path

import pytest

from cellgate.contract.errors import SpecError
from tests.scans import FIRST, scanned
from trainers.bundle.git_changes import changes_since
from trainers.bundle.source_tree import Reason

TWO = "int one(char *p)\n{\n    gets(p);\n    return 1;\n}\nint two(char *p)\n{\n    gets(p);\n    return 2;\n}\n"


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "two.c").write_text(TWO)
    (tmp_path / "src" / "same.c").write_text(FIRST)
    (tmp_path / "src" / 'o"dd\t\xe4 .c').write_text(TWO)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_only_functions_with_changed_lines_are_scored(checkout: Path) -> None:
    (checkout / "src" / "two.c").write_text("// above\n" + TWO.replace("return 2", "return 3"))

    found = scanned(checkout, diff="HEAD")

    assert [one.function.name for one in found.findings] == ["two"]
    assert found.findings[0].function.start_line == 7
    assert found.unchanged == 1
    assert found.passed[Reason.UNCHANGED].files == 2


def test_what_git_takes_for_binary_has_lines_all_the_same(checkout: Path) -> None:
    (checkout / ".gitattributes").write_text("*.c binary\n")
    (checkout / "src" / "two.c").write_text(TWO.replace("return 2", "return 3"))

    assert [one.function.name for one in scanned(checkout, diff="HEAD").findings] == ["two"]


def test_removed_lines_change_the_function_around_them_and_no_neighbour(checkout: Path) -> None:
    between = TWO.replace("}\nint two", "}\n\n// gone\n\nint two")
    (checkout / "src" / "two.c").write_text(between)
    git(checkout, "commit", "-qam", "second")

    (checkout / "src" / "two.c").write_text(TWO)
    assert [one.function.name for one in scanned(checkout, diff="HEAD").findings] == []
    (checkout / "src" / "two.c").write_text(between.replace("    return 1;\n", ""))
    assert [one.function.name for one in scanned(checkout, diff="HEAD").findings] == ["one"]


def test_a_line_that_looks_like_a_part_of_a_comparison_misleads_nobody(checkout: Path) -> None:
    source = TWO.replace("    gets(p);", "++ b/src/same.c\n@@ -1 +1 @@\n    gets(p);")
    (checkout / "src" / "two.c").write_text(source)

    changed = changes_since("HEAD", folder=checkout)

    assert [path.name for path in changed.files] == ["two.c"]


def test_names_with_quotes_tabs_and_other_letters_are_read_and_new_files_are_changed_whole(checkout: Path) -> None:
    (checkout / "src" / 'o"dd\t\xe4 .c').write_text(TWO.replace("return 1", "return 4"))
    (checkout / "src" / "new.c").write_text(FIRST)

    found = scanned(checkout, diff="main")

    assert [one.function.name for one in found.findings] == ["first", "one"]


def test_nothing_changed_is_told_and_is_no_empty_scan(checkout: Path) -> None:
    found = scanned(checkout, diff="HEAD")

    assert (found.functions, found.is_empty, found.passed[Reason.UNCHANGED].files) == (0, False, 3)


@pytest.mark.parametrize("reference", ["--output=x", "-p", "", "nowhere", "HEAD:src"])
def test_what_is_no_commit_is_refused_and_starts_nothing(reference: str, checkout: Path) -> None:
    with pytest.raises(SpecError, match="--diff"):
        changes_since(reference, folder=checkout)

    assert not (checkout / "x").exists()


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not a git repository"):
        changes_since("HEAD", folder=tmp_path)


def test_programs_that_a_checkout_names_for_comparing_are_not_started(checkout: Path) -> None:
    for name in ("core.fsmonitor", "diff.external"):
        git(checkout, "config", name, f"touch {checkout}/started; false")
    (checkout / ".gitattributes").write_text("*.c diff=evil\n")
    git(checkout, "config", "diff.evil.textconv", f"touch {checkout}/started; cat")
    (checkout / "src" / "two.c").write_text(TWO + "\n")

    changes_since("HEAD", folder=checkout)

    assert not (checkout / "started").exists()


def test_of_a_file_that_was_moved_only_what_changed_is_scored(checkout: Path) -> None:
    git(checkout, "mv", "src/two.c", "src/moved.c")
    git(checkout, "mv", "src/same.c", "src/other.c")
    (checkout / "src" / "moved.c").write_text(TWO.replace("return 2", "return 3"))

    found = scanned(checkout, diff="HEAD")

    assert [(one.file.path.name, one.function.name) for one in found.findings] == [("moved.c", "two")]
    assert found.passed[Reason.UNCHANGED].files == 2


def test_a_submodule_is_compared_with_the_commit_that_it_had(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = tmp_path_factory.mktemp("library")
    git(library, "init", "-q", "-b", "main")
    (library / "two.c").write_text(TWO)
    (library / "same.c").write_text(FIRST)
    git(library, "add", ".")
    git(library, "commit", "-q", "-m", "first")
    git(checkout, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "src/library")

    new = {one.file.path.name for one in scanned(checkout, diff="HEAD").findings}
    git(checkout, "commit", "-q", "-m", "with a library")
    unchanged = scanned(checkout, diff="HEAD")
    (checkout / "src" / "library" / "two.c").write_text(TWO.replace("return 2", "return 3"))
    git(checkout / "src" / "library", "commit", "-qam", "second")
    (checkout / "src" / "library" / "new.c").write_text(FIRST)
    changed = scanned(checkout, diff="HEAD")

    assert new == {"two.c", "same.c"}
    assert unchanged.findings == ()
    assert {(one.file.path.name, one.function.name) for one in changed.findings} == {
        ("two.c", "two"),
        ("new.c", "first"),
    }
