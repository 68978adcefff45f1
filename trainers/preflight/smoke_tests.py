"""The smoke tests of a pre-flight spec, in their order."""

from collections.abc import Callable, Iterator

from cellgate.contract.specs import FusionSpec, GnnSpec, PreflightSpec, TransformerSpec
from trainers.preflight.checks import CheckCollector
from trainers.preflight.fusion_smoke_test import try_fusion
from trainers.preflight.smoke_test import SmokeTestContext, try_gnn, try_transformer


def list_smoke_tests(
    spec: PreflightSpec, setup: SmokeTestContext
) -> Iterator[tuple[str, Callable[[], CheckCollector]]]:
    """Return each tested cell's name with its smoke test; fusion comes after the models that it is tested on."""
    shared = {"dataset": spec.dataset, "seed": spec.seed, "device": spec.device, "threads": spec.threads}
    if spec.transformer is not None:
        text = TransformerSpec(**shared, model=spec.transformer.model, training=spec.transformer.training)
        yield "transformer", lambda: try_transformer(text, setup)
    if spec.gnn is not None:
        graph = GnnSpec(**shared, model=spec.gnn.model, training=spec.gnn.training)
        yield "gnn", lambda: try_gnn(graph, setup)
    if spec.fusion is not None:
        bases = {"transformer": setup.scratch, "gnn": setup.scratch}
        fusion = FusionSpec(**shared, **bases, model=spec.fusion.model, training=spec.fusion.training)
        yield "fusion", lambda: try_fusion(fusion, setup)
