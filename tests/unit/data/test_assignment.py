"""Splits by time, by project and as published: whole groups, and a refusal where the source does not say enough."""

import itertools
from collections import Counter

import pytest

from cellgate.contract.configs import PrepareConfig, Split
from trainers.data.clean.assignment import assign, largest_group_name, published_mapping, split_refusals
from trainers.data.clean.splits import group_rows
from trainers.data.read.row import Row


def row(number: int, **known: str | None) -> Row:
    unknown = dict.fromkeys(("split", "project", "commit", "cwe", "pair", "date"))
    func = f"int f{number}() {{}}"
    return Row(
        line=number + 1,
        where=f"line {number + 1}",
        id=f"r{number}",
        text=func,
        label=number % 2,
        **{**unknown, **known},
    )


def groups_of(rows: list[Row], config: PrepareConfig) -> list[str]:
    return group_rows(rows, range(len(rows)), config.tied_by)


def test_by_time_train_is_the_oldest_test_the_newest_and_nothing_in_train_is_newer_than_anything_behind_it():
    rows = [row(number, date=f"{2000 + number * 7 % 100}-01-01") for number in range(100)]
    config = PrepareConfig(split="time")

    splits = assign(rows, groups_of(rows, config), config).splits

    assert Counter(splits) == {Split.TRAIN: 60, Split.DEV: 10, Split.FUSE: 10, Split.GATE: 12, Split.TEST: 8}
    dates = {split: [r.date or "" for r, own in zip(rows, splits, strict=True) if own is split] for split in Split}
    ordered = list(Split)
    assert all(max(dates[a]) < min(dates[b]) for a, b in itertools.pairwise(ordered))


def test_by_time_a_group_is_as_old_as_its_newest_function_and_one_without_dates_is_in_train():
    rows = [row(number, date=f"20{number:02}-01-01", commit=f"c{number}") for number in range(50)]
    rows += [row(50, date="2000-01-01", commit="c49"), row(51)]
    config = PrepareConfig(split="time")

    splits = assign(rows, groups_of(rows, config), config).splits

    assert splits[49] is splits[50] is Split.TEST
    assert splits[51] is Split.TRAIN


def test_by_project_no_project_is_in_two_splits():
    rows = [row(number, project=f"p{number % 20}") for number in range(200)]
    config = PrepareConfig(split="project")

    splits = assign(rows, groups_of(rows, config), config).splits

    for project in range(20):
        assert len({split for r, split in zip(rows, splits, strict=True) if r.project == f"p{project}"}) == 1
    assert set(splits) == set(Split)


@pytest.mark.parametrize(
    ("names", "valid", "test"),
    [
        (["train", "valid", "test"], ["dev", "fuse"], ["gate", "test"]),
        (["Train", "validation", "TEST"], ["dev", "fuse"], ["gate", "test"]),
        (["train", "val"], ["dev", "fuse", "gate", "test"], None),
        (["train", "test"], None, ["dev", "fuse", "gate", "test"]),
    ],
)
def test_published_splits_are_divided_by_what_there_is(names: list[str], valid: list[str], test: list[str]):
    mapping = published_mapping(names)

    assert mapping[names[0]] == [Split.TRAIN]
    assert [mapping[name] for name in names[1:]] == [found for found in (valid, test) if found is not None]


def test_a_published_split_is_kept_and_a_name_that_is_not_known_is_refused_with_the_line_that_maps_it():
    rows = [row(number, split=("train", "train", "val", "test")[number // 2 % 4]) for number in range(80)]
    config = PrepareConfig(split="published")
    groups = groups_of(rows, config)

    assert split_refusals(rows, groups, config) == []
    splits = assign(rows, groups, config).splits
    assert {split for r, split in zip(rows, splits, strict=True) if r.split == "val"} == {Split.DEV, Split.FUSE}
    assert {split for r, split in zip(rows, splits, strict=True) if r.split == "test"} == {Split.GATE, Split.TEST}

    odd = [*rows, row(81, split="holdout")]
    (refusal,) = split_refusals(odd, groups_of(odd, config), config)
    assert "'holdout' (1)" in refusal.found
    assert refusal.config[0] == (
        "honour_split: {train: [train], val: [dev, fuse], test: [gate, test], holdout: [train]}"
    )


@pytest.mark.parametrize(("split", "field"), [("time", "date"), ("project", "project")])
def test_a_split_by_what_no_function_has_is_refused(split: str, field: str):
    rows = [row(number) for number in range(10)]
    config = PrepareConfig(split=split)

    (refusal,) = split_refusals(rows, groups_of(rows, config), config)

    assert (refusal.found, refusal.config[0]) == (f"no {field}", f"fields: {{{field}: COLUMN}}")


def test_the_largest_group_is_named_by_what_its_functions_share():
    rows = [row(0, commit="c", project="p"), row(1, commit="c", project="p"), row(2, pair="x")]
    config = PrepareConfig()

    assert largest_group_name(rows, groups_of(rows, config), config.tied_by) == "commit 'c' in project 'p'"


def test_splits_mapped_by_name_are_no_splits_by_time():
    with pytest.raises(ValueError, match="honour_split is for split: published"):
        PrepareConfig(split="time", honour_split={"train": ["train"]})
