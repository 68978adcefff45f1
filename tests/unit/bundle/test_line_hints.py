"""The models hint at the lines that count, and those are left out: the line that decides is named first."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cellgate.contract.bundle import BundleManifest
from cellgate.contract.configs import GnnModel
from tests.bundle_manifests import manifest_content
from tests.tiny_checkpoints import make_checkpoint
from trainers.bundle.attribution import HINTED
from trainers.bundle.bundle import Bundle
from trainers.bundle.contributions import Contributions, leanings, lines_of_nodes, lines_of_tokens
from trainers.bundle.graphs import GraphEncoder
from trainers.bundle.models import Functions, GraphModel, TextModel
from trainers.bundle.scorer import Scorer, SeedScorers
from trainers.data.graphs.build import EDGE_TYPES, FEATURES
from trainers.data.graphs.grammar import KINDS
from trainers.data.vocabulary import SPECIAL, Vocabulary
from trainers.models.gnn.model import GraphNetwork, GraphSizes
from trainers.models.transformer.scratch import ScratchSize, build_model, build_tokenizer

DECIDES = "    gets(a);"
PLACES = (0, 7, 18, 39)
MAX_TOKENS = 512


def function(place: int, *, lines: int = 40) -> str:
    """A function of many lines, of which one is `DECIDES`."""
    body = [f"    b = b + {number};" for number in range(lines)]
    body[place] = DECIDES
    return "\n".join(["int f(char *a, int b)", "{", *body, "}"])


def text_model() -> TextModel:
    """A text model that knows one word: its layers pass every token on, and its head looks for `gets`."""
    tokenizer: Any = build_tokenizer([function(0)] * 20, vocab_size=400)
    decisive = tokenizer.convert_tokens_to_ids("gets")
    model: Any = build_model(ScratchSize.TINY, vocab_size=len(tokenizer), pad_token_id=0, max_tokens=MAX_TOKENS, seed=0)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embedding_VD = model.model.embed_tokens.weight.zero_()
        embedding_VD[:, 0] = 1.0
        embedding_VD[decisive] = torch.eye(embedding_VD.shape[1])[1]
        _look_for_one(model.dense, model.classifier)
    return TextModel(model, tokenizer, max_tokens=MAX_TOKENS, temperature=1.0)


def graph_model() -> GraphModel:
    """A graph model that knows one word, likewise."""
    vocabulary = Vocabulary(
        node_types=(*SPECIAL, *KINDS),
        tokens=(*SPECIAL, "gets"),
        features=dict.fromkeys(FEATURES, SPECIAL),
        edge_types=EDGE_TYPES,
    )
    config = GnnModel(architecture="rgcn", width=8, layers=1, readout="mean")
    model = GraphNetwork(config, GraphSizes.of(vocabulary))
    with torch.no_grad():
        for parameter in [*model.encoder.parameters(), *model.propagation.parameters()]:
            parameter.zero_()
        model.encoder.token.weight[vocabulary.tokens.index("gets"), 1] = 5.0
        hidden, last = model.classifier[0], model.classifier[-1]
        _look_for_one(hidden, last)
    return GraphModel(model, GraphEncoder(vocabulary), temperature=1.0)


def _look_for_one(hidden: Any, last: Any) -> None:
    """Make a head's logit of its input's second channel."""
    hidden.weight.copy_(torch.eye(len(hidden.weight)))
    hidden.bias.zero_()
    last.weight.zero_()
    last.bias.zero_()
    last.weight[1, 1] = 50.0


@pytest.fixture(scope="module")
def seeds() -> dict[str, SeedScorers]:
    """The models of a bundle of each kind without a head."""
    text, graph = text_model(), graph_model()
    given: dict[str, tuple[TextModel | None, GraphModel | None, float]] = {
        "text": (text, None, 1.0),
        "graph": (None, graph, 1.0),
        "ensemble": (text, graph, 0.5),
    }
    return {
        kind: SeedScorers([Scorer(text=of_text, graph=of_graph, head=None, text_weight=weight)])
        for kind, (of_text, of_graph, weight) in given.items()
    }


@pytest.fixture(scope="module")
def models(seeds: dict[str, SeedScorers]) -> dict[str, Bundle]:
    """A bundle of each kind."""
    manifest = BundleManifest.model_validate(manifest_content(Path("none")))
    return {kind: Bundle(manifest, of_kind) for kind, of_kind in seeds.items()}


@pytest.mark.parametrize("kind", ["text", "graph", "ensemble"])
def test_the_models_hint_at_the_line_whose_one_word_decides(seeds: dict[str, SeedScorers], kind: str) -> None:
    sources = [function(place) for place in PLACES]
    scored = seeds[kind].score(Functions.read(sources, max_nodes=2000), contributions=True)

    hints = leanings(scored.contributions, sources, range(len(sources)))

    assert [None if hint is None else int(hint.argmax()) + 1 for hint in hints] == [place + 3 for place in PLACES]


@pytest.mark.parametrize("kind", ["text", "graph", "ensemble"])
def test_the_line_whose_one_word_decides_is_named_first_wherever_it_stands(
    models: dict[str, Bundle], kind: str
) -> None:
    verdicts = models[kind].predict([function(place) for place in PLACES], explain="all")

    named = [[(w.start_line, w.end_line) for w in verdict.weights or ()] for verdict in verdicts]
    assert [lines[0] for lines in named] == [(place + 3, place + 3) for place in PLACES]
    assert all(len(lines) <= HINTED for lines in named)


def test_a_function_scores_the_same_to_the_bit_whether_it_is_explained_or_not(models: dict[str, Bundle]) -> None:
    sources = [function(place, lines=place + 1) for place in PLACES]

    explained, plain = (models["ensemble"].predict(sources, explain=explain) for explain in ("all", "none"))

    assert [one.probability for one in explained] == [one.probability for one in plain]


def test_a_models_contributions_do_not_depend_on_its_batch() -> None:
    for model in (text_model(), graph_model()):
        sources = [function(place, lines=place + 1) for place in PLACES]
        together = model.predict(Functions.read(sources, max_nodes=2000), contributions=True)

        for place, source in enumerate(sources):
            alone = model.predict(Functions.read([source], max_nodes=2000), contributions=True).contributions_F[0]
            of_batch = together.contributions_F[place]
            assert alone is not None
            assert of_batch is not None
            np.testing.assert_allclose(of_batch, alone, atol=1e-5)


def test_a_model_whose_head_reads_one_token_alone_tells_nothing_of_lines(tmp_path: Path) -> None:
    model = TextModel.load(make_checkpoint("roberta", tmp_path), temperature=1.0)
    read = Functions.read([function(0, lines=3)], max_nodes=10, with_graphs=False)

    outputs = model.predict(read, contributions=True)

    assert list(outputs.contributions_F) == [None]
    assert outputs.log_odds_F == model.predict(read).log_odds_F


def test_nothing_is_hinted_at_where_one_of_the_models_does_not_tell() -> None:
    told = Contributions(weight=0.5, of_F=[np.ones(2), np.ones(1)], lines=lambda texts: [np.ones(1, int)] * len(texts))
    silent = Contributions(weight=0.5, of_F=[None, np.ones(1)], lines=lambda texts: [np.ones(1, int)] * len(texts))

    hints = leanings([told, silent], ["int a;\nint b;", "int c;"], [1, 0])

    assert hints[1] is None
    assert hints[0] is not None
    assert hints[0].tolist() == [1.0]


def test_tokens_and_nodes_stand_in_the_lines_that_their_text_does() -> None:
    source = "int f(int é)\n{\n    return é;\n}"
    tokenizer: Any = build_tokenizer([source], vocab_size=300)
    words = tokenizer.convert_ids_to_tokens(tokenizer(source)["input_ids"])

    (of_tokens,) = lines_of_tokens([source], tokenizer, max_tokens=MAX_TOKENS)
    (of_nodes,) = lines_of_nodes([source], max_nodes=100)

    assert of_tokens[[words.index(word) for word in ("{", "return", ";", "}")]].tolist() == [2, 3, 3, 4]
    assert len(of_nodes) == Functions.read([source], max_nodes=100).graphs.nodes_F[0]  # type: ignore[union-attr]  # read
    assert set(of_nodes.tolist()) == {1, 2, 3}


def test_a_token_in_the_middle_that_a_model_does_not_read_has_no_line() -> None:
    source = function(0)
    tokenizer: Any = build_tokenizer([source], vocab_size=300)

    (of_tokens,) = lines_of_tokens([source], tokenizer, max_tokens=8)

    assert len(of_tokens) == 8
    assert of_tokens.tolist() == [*sorted(of_tokens[:-1].tolist()), 1]
    # The last place is the mark of the end, which stands nowhere.
    assert of_tokens[3] == 1
    assert of_tokens[-2] == 43
