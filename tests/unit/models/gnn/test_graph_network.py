"""What a graph model may depend on: the graph's structure and labels, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cellgate.contract.configs import GnnModel
from cellgate.contract.errors import DataError
from trainers.data.batching import GraphBatch
from trainers.data.vocabulary import Vocabulary
from trainers.engine.task import Prediction
from trainers.models.gnn.model import GraphNetwork, GraphSizes, Readout
from trainers.models.gnn.propagation import PROPAGATIONS, Attentive, Isomorphic, TypedEdges, TypedMessages
from trainers.models.gnn.saving import load_gnn, save_gnn

VOCABULARY = Vocabulary(
    node_types=("<none>", "<unknown>", "identifier", "if_statement"),
    tokens=("<none>", "<unknown>", "size", "buffer", "index"),
    features={name: ("<none>", "<unknown>", name) for name in ("api", "data_type", "literal", "operator")},
    edge_types=("ast", "dfg"),
)
ARCHITECTURES = pytest.mark.parametrize("architecture", PROPAGATIONS)
READOUTS = pytest.mark.parametrize("readout", ["attention", "max", "mean", "sum"])


def config_with(architecture: str = "ggnn", readout: str = "attention") -> GnnModel:
    return GnnModel.model_validate({"architecture": architecture, "width": 8, "layers": 3, "readout": readout})


def model_with(architecture: str = "ggnn", readout: str = "attention") -> GraphNetwork:
    torch.manual_seed(0)
    return GraphNetwork(config_with(architecture, readout), GraphSizes.of(VOCABULARY)).eval()


def random_graphs(nodes_B: list[int], *, seed: int = 0) -> GraphBatch:
    """Graphs of these many nodes, with two forward edges per node inside each graph."""
    generator = torch.Generator().manual_seed(seed)

    def below(limit: int, *shape: int) -> torch.Tensor:
        return torch.randint(limit, shape, generator=generator)

    total, sources, targets, first = sum(nodes_B), [], [], 0
    for nodes in nodes_B:
        sources.append(first + below(nodes, 2 * nodes))
        targets.append(first + below(nodes, 2 * nodes))
        first += nodes
    forward_2E = torch.stack([torch.cat(sources), torch.cat(targets)])
    type_E = below(2, forward_2E.shape[1])
    return GraphBatch(
        node_type_N=below(4, total),
        node_token_N=below(5, total),
        node_features_N4=below(3, total, 4),
        node_statement_N=torch.zeros(total, dtype=torch.int64),
        edge_index_2E=torch.cat([forward_2E, forward_2E.flip(0)], dim=1),
        edge_type_E=torch.cat([type_E, type_E + 2]),
        graph_of_node_N=torch.repeat_interleave(torch.arange(len(nodes_B)), torch.tensor(nodes_B)),
        graphs=len(nodes_B),
    )


def batch_of(edges_2E: torch.Tensor, type_E: torch.Tensor) -> GraphBatch:
    """One graph of three nodes with these edges."""
    return replace(random_graphs([3]), edge_index_2E=edges_2E, edge_type_E=type_E)


def alone(batch: GraphBatch, graph: int) -> GraphBatch:
    """One graph of a batch as a batch of its own."""
    node_N = batch.graph_of_node_N == graph
    first = int(node_N.nonzero()[0])
    edge_E = node_N[batch.edge_index_2E[0]]
    return GraphBatch(
        node_type_N=batch.node_type_N[node_N],
        node_token_N=batch.node_token_N[node_N],
        node_features_N4=batch.node_features_N4[node_N],
        node_statement_N=batch.node_statement_N[node_N],
        edge_index_2E=batch.edge_index_2E[:, edge_E] - first,
        edge_type_E=batch.edge_type_E[edge_E],
        graph_of_node_N=torch.zeros(int(node_N.sum()), dtype=torch.int64),
        graphs=1,
    )


@ARCHITECTURES
@READOUTS
def test_the_order_of_edges_does_not_change_the_logits(architecture: str, readout: str) -> None:
    model, batch = model_with(architecture, readout), random_graphs([5, 9])
    order_E = torch.randperm(len(batch.edge_type_E), generator=torch.Generator().manual_seed(1))
    shuffled = replace(batch, edge_index_2E=batch.edge_index_2E[:, order_E], edge_type_E=batch.edge_type_E[order_E])

    torch.testing.assert_close(model(shuffled).logits_BC, model(batch).logits_BC)


@ARCHITECTURES
@READOUTS
def test_the_order_of_nodes_does_not_change_the_logits(architecture: str, readout: str) -> None:
    model, batch = model_with(architecture, readout), random_graphs([7])
    order_N = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    new_place_N = torch.argsort(order_N)
    renumbered = replace(
        batch,
        node_type_N=batch.node_type_N[order_N],
        node_token_N=batch.node_token_N[order_N],
        node_features_N4=batch.node_features_N4[order_N],
        edge_index_2E=new_place_N[batch.edge_index_2E],
    )

    torch.testing.assert_close(model(renumbered).logits_BC, model(batch).logits_BC)


@ARCHITECTURES
@READOUTS
def test_a_function_s_logits_do_not_depend_on_its_neighbours_in_the_batch(architecture: str, readout: str) -> None:
    model, batch = model_with(architecture, readout), random_graphs([3, 30, 6])

    together_BC = model(batch).logits_BC

    for graph in range(3):
        torch.testing.assert_close(model(alone(batch, graph)).logits_BC[0], together_BC[graph])


# Compiling one takes some seconds.
@pytest.mark.parametrize(
    "architecture", ["ggnn", *(pytest.param(name, marks=pytest.mark.slow) for name in PROPAGATIONS if name != "ggnn")]
)
def test_a_compiled_model_gives_the_logits_and_gradients_that_it_gives_as_it_is(architecture: str) -> None:
    torch.compiler.reset()
    model, batch = model_with(architecture), random_graphs([5, 9])
    # Without a C++ compiler, yet traced in one piece: then the messages of all types are made at once.
    compiled = torch.compile(model, backend="eager", fullgraph=True)

    def logits_and_gradients(network: Callable[[GraphBatch], Prediction]) -> list[torch.Tensor]:
        logits_BC = network(batch).logits_BC
        return [logits_BC, *torch.autograd.grad(logits_BC[:, 1].sum(), list(model.propagation.parameters()))]

    torch.testing.assert_close(logits_and_gradients(compiled), logits_and_gradients(model))


@ARCHITECTURES
@pytest.mark.parametrize("other_type", [1, 2, 3])
def test_another_type_or_direction_of_an_edge_changes_the_logits(architecture: str, other_type: int) -> None:
    model, batch = model_with(architecture), random_graphs([6])
    changed_E = batch.edge_type_E.clone()
    changed_E[changed_E == 0] = other_type

    difference_BC = model(replace(batch, edge_type_E=changed_E)).logits_BC - model(batch).logits_BC

    assert difference_BC.abs().max() > 1e-4


@pytest.mark.parametrize("feature", range(4))
def test_each_of_the_four_features_reaches_the_logits(feature: int) -> None:
    model, batch = model_with(), random_graphs([6])
    features_N4 = batch.node_features_N4.clone()
    features_N4[:, feature] = (features_N4[:, feature] + 1) % 3

    assert not torch.equal(model(replace(batch, node_features_N4=features_N4)).logits_BC, model(batch).logits_BC)


def test_a_node_gets_the_sum_of_its_senders_states_times_their_types_matrices() -> None:
    messages = TypedMessages(2, 2)
    first, second = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    with torch.no_grad():
        messages.weight.weight.copy_(torch.cat([first, second]))
    state_ND = torch.tensor([[1.0, 10.0], [2.0, 20.0], [0.0, 0.0]])
    # Node 2 hears node 0 by type 0 and node 1 by type 1; node 0 hears node 1 by type 0.
    batch = batch_of(torch.tensor([[0, 1, 1], [2, 2, 0]]), torch.tensor([0, 1, 0]))

    summed_ND = messages(state_ND, TypedEdges(batch, 2))

    # By hand: W_0 h_0 = (21, 10), W_1 h_1 = (0, 6), W_0 h_1 = (42, 20).
    torch.testing.assert_close(summed_ND, torch.tensor([[42.0, 20.0], [0.0, 0.0], [21.0, 16.0]]))


def test_a_relational_node_gets_the_mean_over_each_type_and_the_sum_of_the_means() -> None:
    messages = TypedMessages(1, 2, mean=True)
    with torch.no_grad():
        messages.weight.weight.copy_(torch.tensor([[1.0], [10.0]]))
    state_N1 = torch.tensor([[2.0], [4.0], [0.0]])
    # Node 2 hears nodes 0 and 1 by type 0, and node 1 by type 1.
    batch = batch_of(torch.tensor([[0, 1, 1], [2, 2, 2]]), torch.tensor([0, 0, 1]))

    received_N1 = messages(state_N1, TypedEdges(batch, 2))

    # By hand: (2 + 4) / 2 + 10 * 4.
    assert received_N1.flatten().tolist() == [0.0, 0.0, 43.0]


def test_an_isomorphic_node_gets_the_mean_of_each_types_positive_messages_and_more_than_itself() -> None:
    layer = Isomorphic(GnnModel(width=8, layers=1, dropout=0.0), 2).eval()
    with torch.no_grad():
        # Type 0 sends twice the state and a half more, type 1 its negative.
        layer.messages[0].weight.copy_(torch.cat([2 * torch.eye(8), -torch.eye(8)]))
        layer.messages[0].bias.copy_(torch.tensor([0.5] * 8 + [0.0] * 8))
        layer.eps[0].fill_(1.0)
    layer.norms[0] = torch.nn.Identity()
    layer.mlps[0] = torch.nn.Identity()
    state_N8 = torch.tensor([[1.0], [3.0], [10.0]]).expand(3, 8)
    # Node 2 hears nodes 0 and 1 by type 0, and node 1 by type 1, whose negative message is cut off.
    batch = batch_of(torch.tensor([[0, 1, 1], [2, 2, 2]]), torch.tensor([0, 0, 1]))

    last_N8 = layer(state_N8, batch)

    # By hand: 10 + (1 + 1) * 10 + (2.5 + 6.5) / 2.
    assert last_N8[2].tolist() == [34.5] * 8
    assert last_N8[0].tolist() == [3.0] * 8


def test_an_attentive_node_weighs_what_it_hears_by_a_softmax_over_its_edges() -> None:
    layer = Attentive(GnnModel(width=8, layers=1, dropout=0.0), 2).eval()
    with torch.no_grad():
        # Type 0 sends the state as it is, type 1 twice the state; the query is nothing.
        layer.messages[0].weight.copy_(torch.cat([torch.eye(8), 2 * torch.eye(8)]))
        layer.receivers[0].weight.zero_()
        layer.receivers[0].bias.zero_()
        layer.weights[0].fill_(0.5)
        # What is heard, and not the state itself.
        layer.outs[0].weight.copy_(torch.cat([torch.zeros(8, 8), torch.eye(8)], dim=1))
        layer.outs[0].bias.zero_()
    layer.norms[0] = torch.nn.Identity()
    state_N8 = torch.tensor([[1.0], [1.0], [0.0]]).expand(3, 8)
    batch = batch_of(torch.tensor([[0, 1], [2, 2]]), torch.tensor([0, 1]))

    last_N8 = layer(state_N8, batch)

    # By hand: each of the four heads has two channels, so the scores are 2 * 0.5 * 1 = 1 and 2 * 0.5 * 2 = 2; the
    # softmax of them is 0.268941 and 0.731059, of the messages 1 and 2.
    torch.testing.assert_close(last_N8[2], torch.full((8,), 0.268941 * 1 + 0.731059 * 2), rtol=0, atol=1e-5)


def test_attention_weighs_nodes_by_a_softmax_within_their_function() -> None:
    readout = Readout("attention", 1)
    assert readout.gate is not None
    assert readout.value is not None
    with torch.no_grad():
        for layer in (readout.gate, readout.value):
            layer.weight.fill_(1.0)
            layer.bias.fill_(0.0)
    state_N1 = torch.tensor([[0.0], [1.0], [5.0]])

    pooled_B1 = readout(state_N1, torch.tensor([0, 0, 1]), 2)

    # By hand: e / (1 + e) = 0.731059 for the first function, its only node's value for the second.
    torch.testing.assert_close(pooled_B1, torch.tensor([[0.731059], [5.0]]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("readout", "expected"), [("max", [1.0, -2.0]), ("mean", [0.0, -2.0]), ("sum", [0.0, -2.0])])
def test_max_mean_and_sum_stay_within_the_function(readout: str, expected: list[float]) -> None:
    state_N1 = torch.tensor([[-1.0], [1.0], [-2.0]])

    pooled_B1 = Readout(readout, 1)(state_N1, torch.tensor([0, 0, 1]), 2)

    assert pooled_B1.squeeze(1).tolist() == expected


def test_the_sum_grows_with_the_square_root_of_the_nodes_that_agree() -> None:
    pooled_B1 = Readout("sum", 1)(torch.ones(4, 1), torch.zeros(4, dtype=torch.int64), 1)

    assert pooled_B1.item() == 2.0


@ARCHITECTURES
@READOUTS
def test_a_saved_model_gives_the_same_logits_when_loaded(tmp_path: Path, architecture: str, readout: str) -> None:
    model, batch = model_with(architecture, readout), random_graphs([5, 4])

    save_gnn(tmp_path / "model", model, config=config_with(architecture, readout), vocabulary=VOCABULARY)

    assert torch.equal(load_gnn(tmp_path / "model")(batch).logits_BC, model(batch).logits_BC)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_model_is_refused_with_its_folder_s_name(tmp_path: Path, name: str) -> None:
    save_gnn(tmp_path, model_with(), config=GnnModel(width=8, layers=3), vocabulary=VOCABULARY)
    (tmp_path / name).write_bytes(b"{}")

    with pytest.raises(DataError, match=str(tmp_path)):
        load_gnn(tmp_path)
