"""A text model answers about text that no data set holds: cut where it must be, the same each time."""

from pathlib import Path

import numpy as np
import pytest

from tests.tiny_checkpoints import make_checkpoint
from trainers.bundle.models import Functions, TextModel, load_text

SHORT = "int f(int a) { return a; }"
LONG = f"int f(int a) {{ return a{' + a' * 200}; }}"


def functions(*sources: str) -> Functions:
    return Functions.read(sources, max_nodes=100, with_graphs=False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 64 positions."""
    return make_checkpoint("bert", tmp_path_factory.mktemp("checkpoint"))


def test_a_function_that_is_too_long_is_read_by_its_head_and_tail_and_reported(checkpoint: Path) -> None:
    model = TextModel.load(checkpoint, temperature=1.0)
    given = functions(LONG, SHORT, LONG.replace("; }", " - a; }"), LONG.replace(" + a" * 101, " + a" * 102))

    outputs = model.predict(given)

    log_odds_F = outputs.log_odds_F
    assert outputs.truncated_F.tolist() == [True, False, True, True]
    assert log_odds_F[0] != log_odds_F[1]
    # The end is read; how long the middle is, is not.
    assert log_odds_F[0] != log_odds_F[2]
    assert log_odds_F[0] == pytest.approx(log_odds_F[3], abs=1e-6)


def test_asking_often_leaves_nothing_behind(checkpoint: Path) -> None:
    loaded, tokenizer, max_tokens = load_text(checkpoint)
    model = TextModel(loaded, tokenizer, max_tokens=max_tokens, temperature=1.0)
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in loaded.modules()]

    answers = [model.predict(functions(SHORT, LONG)).log_odds_F for _ in range(3)]

    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in loaded.modules()] == hooks
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


def test_logits_are_divided_by_the_temperature(checkpoint: Path) -> None:
    one, two = (TextModel.load(checkpoint, temperature=t).predict(functions(SHORT)).log_odds_F for t in (1.0, 2.0))

    np.testing.assert_allclose(two, one / 2, rtol=1e-6)
    assert one[0] != 0


def test_embeddings_and_log_odds_are_in_the_functions_order(checkpoint: Path) -> None:
    model = TextModel.load(checkpoint, temperature=1.0)
    sources = [f"int f(int a) {{ return a{' + a' * (7 * n % 40)}; }}" for n in range(70)]

    outputs = model.predict(functions(*sources))

    for place in (0, 33, 69):
        alone = model.predict(functions(sources[place]))
        np.testing.assert_allclose(outputs.log_odds_F[place], alone.log_odds_F[0], atol=1e-5)
        np.testing.assert_allclose(outputs.embeddings_FD[place], alone.embeddings_FD[0], atol=1e-5)
