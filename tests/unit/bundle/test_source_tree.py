"""Every source file of a tree once, whatever its name; nothing is passed over without a word."""

import os
import subprocess
from pathlib import Path

import pytest

from cellgate.contract.errors import DataError, SpecError
from trainers.bundle.ignore_rules import MAX_PATTERNS
from trainers.bundle.places import Root, shown_path
from trainers.bundle.source_tree import Reason, Sources, find_sources, told_passed_over


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.c").write_text("int f;\n")
    (folder / "sub" / "b.hpp").write_text("int g;\n")
    return folder


def found(*paths: Path | str, **options: object) -> Sources:
    given = [Path(path) for path in paths] or [Path("tree")]
    return find_sources(given, root=Root.of(Path()), **options)  # type: ignore[arg-type]


def names(sources: Sources) -> list[str]:
    return [path.as_posix().removeprefix("tree/") for path in sources.files]


def test_source_files_are_found_by_name_and_the_rest_is_counted_by_suffix(tree: Path) -> None:
    for name in ("k.cu", "s.ino", "o.mm", "t.tpp", "m.cppm", "U.CXX", "x.inc", "READ.md", "b.md", "Makefile"):
        (tree / name).touch()

    sources = found()

    assert names(sources) == ["U.CXX", "a.c", "k.cu", "m.cppm", "o.mm", "s.ino", "t.tpp", "x.inc", "sub/b.hpp"]
    assert list(told_passed_over(sources.passed)) == [
        "passed over, no C or C++ by its suffix: 3 files (.md 2, no suffix 1)"
    ]


def test_a_file_that_is_named_is_taken_whatever_its_suffix_and_each_file_once(tree: Path) -> None:
    (tree / "odd.txt").touch()

    sources = found("tree/odd.txt", "tree/a.c", "tree", "tree/sub/../a.c", tree / "a.c")

    assert names(sources) == ["odd.txt", "a.c", "sub/b.hpp"]


def test_links_are_followed_once_and_never_out_of_the_tree(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.c").touch()
    (tmp_path / "more").mkdir()
    (tree / "generated.in").write_text("int h;\n")
    for name, target in {
        "twice.c": "a.c",
        "out.c": "../outside.c",
        "gone.c": "nowhere.c",
        "around": ".",
        "more": "../more",
        "text.c": "generated.in",
        "loop.c": "loop.c",
    }.items():
        (tree / name).symlink_to(target)

    sources = found()

    assert names(sources) == ["a.c", "sub/b.hpp", "generated.in"]
    passed = {reason: set(one.examples) for reason, one in sources.passed.items()}
    assert passed[Reason.LINK_INSIDE] == {"tree/twice.c", "tree/around"}
    assert passed[Reason.LINK_OUTSIDE] == {"tree/out.c", "tree/more"}
    assert passed[Reason.LINK_BROKEN] >= {"tree/gone.c"}


@pytest.mark.usefixtures("tree")
def test_a_link_that_is_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link.c").symlink_to("tree/a.c")
    (tmp_path / "folder").symlink_to("tree")

    assert len(found("link.c", "folder", "tree").files) == 2


def test_a_pipe_in_a_folder_is_not_waited_for(tree: Path) -> None:
    os.mkfifo(tree / "pipe.c")

    assert found().passed[Reason.NO_FILE].examples == ["tree/pipe.c"]


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_of_any_bytes_is_found_shown_and_has_a_uri(tree: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tree) + b"/bad\xff\n%.c"))
    path.touch()

    (odd,) = [one for one in found().files if one.name.startswith("bad")]

    assert shown_path(odd) == "tree/bad\\xff\n%.c"
    assert Root.of(Path()).uri(odd) == "tree/bad%FF%0A%25.c"
    assert Root.of(tree / "sub").uri(odd).startswith("file:///")
    assert Root.of(tree / "sub").uri(odd).endswith("/tree/bad%FF%0A%25.c")


def test_gitignore_counts_with_its_negations_and_below_its_folder(tree: Path, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.hpp\n")
    (tree / ".gitignore").write_text("build/\n/a.c\n")
    (tree / "sub" / ".gitignore").write_text("!b.hpp\n")
    (tree / "sub" / "a.c").touch()
    for name in ("build", ".git"):
        (tree / name).mkdir()
        (tree / name / "x.c").touch()

    sources = found()

    assert names(sources) == ["sub/a.c", "sub/b.hpp"]
    assert sources.passed[Reason.IGNORED].examples == ["tree/a.c", "tree/build/"]
    assert sources.passed[Reason.VERSION_CONTROL].examples == ["tree/.git/"]
    assert names(found("tree", respect_gitignore=False)) == ["a.c", "build/x.c", "sub/a.c", "sub/b.hpp"]
    assert names(found("tree/a.c")) == ["a.c"]


def test_patterns_that_would_take_long_do_not_count_and_are_told(tree: Path) -> None:
    (tree / ".gitignore").write_text("*a*a*a*a*a*a*.c\n*.c\n")
    (tree / "sub" / ".gitignore").write_text("x\n" * (MAX_PATTERNS + 1))
    (tree / "sub" / "c.c").touch()

    sources = found()

    assert names(sources) == ["sub/b.hpp"]
    assert [(path.parent.name, note.split(":")[0]) for path, note in sources.notes] == [
        ("tree", "1 of its patterns do not count"),
        ("sub", "its patterns do not count"),
    ]


@pytest.mark.usefixtures("tree")
def test_what_a_command_excludes_is_left_out_named_files_too() -> None:
    sources = found("tree", "tree/sub/b.hpp", exclude=["tree/sub/", "*.hpp"])

    assert names(sources) == ["a.c"]
    assert sources.passed[Reason.EXCLUDED].examples == ["tree/sub/", "tree/sub/b.hpp"]


def test_a_pattern_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(SpecError, match=r"--exclude [*]a[*]b[*]c[*]d[*]: found more than 4 stars"):
        found(".", exclude=["*a*b*c*d*", "*.c"])


def test_paths_that_are_not_there_are_refused_all_at_once(tree: Path) -> None:
    with pytest.raises(DataError, match=r"x\.c: found nothing") as refused:
        found("x.c", "y", tree)

    assert len(refused.value.problems) == 2


def test_the_root_is_the_checkout_around_the_working_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree.parent / ".git").mkdir()
    monkeypatch.chdir(tree / "sub")

    assert Root.of(None).place(Path("b.hpp")) == Path("tree/sub/b.hpp")
    assert Root.of(Path()).place(Path("b.hpp")) == Path("b.hpp")


def test_from_outside_the_root_is_the_checkout_that_all_paths_lie_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, here = (tmp_path / name for name in ("one", "other", "here"))
    for checkout in (one, other):
        (checkout / ".git").mkdir(parents=True)
        (checkout / "src").mkdir()
    here.mkdir()
    monkeypatch.chdir(here)

    assert Root.of(None, [one / "src", one]).folder == one
    assert Root.of(None, [one, other]).folder == here
    assert Root.of(None, [one, here]).folder == here
    monkeypatch.chdir(other / "src")
    assert Root.of(None, [one]).folder == one
    assert Root.of(None, [one, other]).folder == other
    assert Root.of(None).folder == other


def test_a_worktrees_own_patterns_are_those_of_the_main_one(tmp_path: Path) -> None:
    main, linked = tmp_path / "main", tmp_path / "linked"
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    for command in (
        ("init", "-q", str(main)),
        ("-C", str(main), *identity, "commit", "-q", "--allow-empty", "-m", "first"),
        ("-C", str(main), "worktree", "add", "-q", str(linked)),
    ):
        subprocess.run(["git", *command], check=True, capture_output=True)
    (main / ".git" / "info" / "exclude").write_text("private.c\n")
    for checkout in (main, linked):
        (checkout / "private.c").touch()
        (checkout / "a.c").touch()

        found = find_sources([checkout], root=Root.of(checkout))

        assert [path.name for path in found.files] == ["a.c"]
