"""Imported graphs from PyG files: what is read of them is documented, the rest is refused, and none can run code."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from cellgate.contract.errors import DataError, InputError
from trainers.data.imported_graphs.collect import ImportedGraphs, read_ready_graphs
from trainers.data.imported_graphs.pyg import MAX_GRAPH_BYTES
from trainers.data.read.row import Row

EDGES = torch.tensor([[0, 0, 1], [1, 2, 2]])


def row(name: str, label: int = 1) -> Row:
    return Row(
        line=1,
        where="line 1",
        id=name,
        text="int f(int a) { return a; }",
        label=label,
        split=None,
        project=None,
        commit=None,
        cwe=None,
        pair=None,
    )


def save(folder: Path, name: str = "a", **values: Any) -> Path:
    fields = {"edge_index": EDGES, "node_type": ["CALL", "IDENTIFIER", "LITERAL"], **values}
    path = folder / f"{name}.pt"
    torch.save(Data(**{key: value for key, value in fields.items() if value is not None}), path)
    return path


def read(folder: Path, *rows: Row) -> ImportedGraphs:
    return read_ready_graphs(folder, rows or (row("a"),), left_out=frozenset(), max_nodes=100, progress=lambda _: None)


def problems(folder: Path, *rows: Row) -> tuple[InputError, ...]:
    with pytest.raises(DataError) as caught:
        read(folder, *rows)
    return caught.value.problems


class Command:
    """Runs a command when a plain pickle of it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.target}",)


def hostile_file(kind: str, command: Command) -> bytes:
    buffer = io.BytesIO()
    if kind.endswith("pickle"):
        return pickle.dumps(command, protocol=2 if kind.startswith("old") else 4)
    if kind == "old torch file":
        torch.save(command, buffer, _use_new_zipfile_serialization=False)
    elif kind == "torch file":
        torch.save(command, buffer)
    elif kind == "inside a graph":
        data = Data(edge_index=EDGES, node_type=["a", "b", "c"])
        data.y = command
        torch.save(data, buffer)
    else:
        torch.save(Data(edge_index=EDGES), buffer)
        changed = io.BytesIO()
        with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                new.writestr(name, pickle.dumps(command, protocol=2) if name.endswith("data.pkl") else old.read(name))
        return changed.getvalue()
    return buffer.getvalue()


@pytest.mark.parametrize(
    "kind", ["pickle", "old pickle", "old torch file", "torch file", "inside a graph", "changed in place"]
)
def test_a_file_that_would_run_a_command_is_refused_by_name_and_runs_nothing(tmp_path: Path, kind: str):
    target = tmp_path / "created"
    content = hostile_file(kind, Command(target))
    folder = tmp_path / "graphs"
    folder.mkdir()
    (folder / "a.pt").write_bytes(content)

    (problem,) = problems(folder)

    assert not target.exists()
    assert problem.where == "a.pt"
    assert ("a pickle that is no graph's" if kind == "pickle" else "posix.system") in problem.found


def test_such_a_file_does_run_its_command_when_it_is_loaded_as_any_pickle(tmp_path: Path):
    target = tmp_path / "created"

    pickle.loads(hostile_file("old pickle", Command(target)))  # noqa: S301  # the command is ours

    assert target.exists()


def test_what_others_have_allowed_to_be_loaded_is_not_allowed_here_and_stays_allowed_there(tmp_path: Path):
    before = set(torch.serialization.get_safe_globals())
    save(tmp_path, y=row("a"))
    with torch.serialization.safe_globals([Row]):
        (problem,) = problems(tmp_path)
        assert Row in torch.serialization.get_safe_globals()

    assert "trainers.data.read.row.Row" in problem.found
    assert set(torch.serialization.get_safe_globals()) == before


def test_kinds_texts_and_edges_are_read(tmp_path: Path):
    save(tmp_path, code=["n + 1", "n", "1"], edge_type=["AST", "AST", "DDG"], y=torch.tensor([1]), num_nodes=3, id="a")

    raw = read(tmp_path).raw

    assert raw is not None
    assert [raw.kinds[kind] for kind in raw.kind_N] == ["CALL", "IDENTIFIER", "LITERAL"]
    assert [raw.strings[number] for number in raw.token_N] == [b"+", b"n", b"1"]
    assert [raw.edge_types[kind] for kind in raw.edge_type_E] == ["ast", "ast", "dfg"]
    assert [raw.source_E.tolist(), raw.target_E.tolist()] == EDGES.tolist()


@pytest.mark.parametrize("x", [torch.tensor([5, 6, 5]), torch.tensor([[5], [6], [5]], dtype=torch.int32)])
def test_numbers_stand_for_kinds_and_tokens_and_what_is_not_given_is_of_one_kind(tmp_path: Path, x: Tensor):
    save(tmp_path, node_type=None, x=x)
    save(tmp_path, "b", node_type=torch.tensor([3, 4, 3]), edge_type=torch.tensor([0, 1, 1]))

    raw = read(tmp_path, row("a"), row("b")).raw

    assert raw is not None
    assert [raw.kinds[kind] for kind in raw.kind_N] == ["node"] * 3 + ["node 3", "node 4", "node 3"]
    assert [raw.strings[number] for number in raw.token_N] == [b"#5", b"#6", b"#5", b"", b"", b""]
    assert [raw.edge_types[kind] for kind in raw.edge_type_E] == ["edge"] * 3 + ["edge 0", "edge 1", "edge 1"]


@pytest.mark.parametrize(
    ("values", "where", "found"),
    [
        ({"x": torch.ones(3, 768)}, "a.pt, x", "float32 of shape (3, 768)"),
        ({"x": torch.tensor([1, 2])}, "a.pt, x", "int64 of shape (2,)"),
        ({"x": torch.tensor([1.0, float("nan"), 2.0])}, "a.pt, x", "float32 of shape (3,)"),
        ({"edge_index": None}, "a.pt, edge_index", "no such attribute"),
        ({"edge_index": torch.tensor([[0, 1, 2]])}, "a.pt, edge_index", "int64 of shape (1, 3)"),
        ({"edge_index": EDGES.float()}, "a.pt, edge_index", "float32 of shape (2, 3)"),
        ({"edge_index": torch.tensor([[0], [3]])}, "a.pt, edge 0", "0 to 3"),
        ({"edge_index": torch.tensor([[0], [-1]])}, "a.pt, edge 0", "0 to -1"),
        ({"edge_index": torch.zeros(1, dtype=torch.int64).expand(2, 10**12)}, "a.pt, edge_index", "1000000000000"),
        ({"edge_index": EDGES.to_sparse()}, "a.pt, edge_index", "int64 of shape (2, 3)"),
        ({"edge_type": ["AST"]}, "a.pt, edge_type", "1 values"),
        ({"code": ["a", "b", 3]}, "a.pt, code", "3 values"),
        ({"edge_attr": torch.ones(3, 4)}, "a.pt, edge_attr", "no meaning"),
        ({"y": torch.tensor(0)}, "a.pt, y", "tensor(0)"),
        ({"node_type": None}, "a.pt", "no nodes"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_with_its_place(
    tmp_path: Path, values: dict[str, Any], where: str, found: str
):
    save(tmp_path, **values)

    reported = [problem for problem in problems(tmp_path) if problem.where == where]

    assert [found in problem.found for problem in reported] == [True]


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "a.pt").write_bytes(content)
    save(tmp_path, "b", x=torch.ones(3, 2))

    assert [problem.where for problem in problems(tmp_path, row("a"), row("b"))] == ["a.pt", "b.pt, x"]


def test_something_else_than_a_graph_is_named(tmp_path: Path):
    torch.save({"edge_index": EDGES}, tmp_path / "a.pt")

    assert problems(tmp_path)[0].found == "a dict"


def test_a_file_without_a_function_is_named(tmp_path: Path):
    save(tmp_path, "ghost")

    assert problems(tmp_path)[0].found == "a graph of ghost"


def test_a_folder_without_graphs_is_a_mistake(tmp_path: Path):
    with pytest.raises(DataError, match="holds no graphs"):
        read(tmp_path)


def test_a_symbolic_link_is_not_followed(tmp_path: Path):
    folder = tmp_path / "graphs"
    folder.mkdir()
    (folder / "a.pt").symlink_to(save(tmp_path))

    assert problems(folder)[0].found == "a symbolic link"


@pytest.mark.parametrize("name", ["node_type", "x", "edge_index", "edge_type"])
def test_a_view_that_claims_more_values_than_it_holds_is_refused_before_any_is_made(tmp_path: Path, name: str) -> None:
    # Saved, the views take a few bytes; as lists they would take terabytes.
    huge = torch.zeros(1, dtype=torch.int64).expand(1 << 40)
    values = {name: huge.expand(2, 1 << 40) if name == "edge_index" else huge}
    save(tmp_path, **{"node_type": None if name == "x" else ["CALL", "IDENTIFIER", "LITERAL"], **values})

    found = problems(tmp_path, row("a"))

    assert any(name in problem.where for problem in found)


def test_a_file_that_unpacks_to_more_than_a_graph_may_have_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path)
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
        new.writestr("archive/data/9", bytes(MAX_GRAPH_BYTES))
    packed.replace(path)

    (problem,) = problems(tmp_path, row("a"))

    assert "unpacked" in problem.found


def test_lists_that_hold_one_another_are_shown_by_their_beginning(tmp_path: Path) -> None:
    # 2 to the power of 60 values, in 60 lists.
    value: Any = [0]
    for _ in range(60):
        value = [value, value]
    save(tmp_path, y=value)

    (problem,) = problems(tmp_path, row("a"))

    assert "y" in problem.where
    assert len(problem.found) < 100
