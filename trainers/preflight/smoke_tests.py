"""The smoke tests that a pre-flight spec asks for, in their order."""

from collections.abc import Callable, Iterator

from cellgate.contract.specs import FusionSpec, GnnSpec, PreflightSpec, TransformerSpec
from trainers.preflight.checks import Checks
from trainers.preflight.fusion_smoke_test import try_fusion
from trainers.preflight.smoke_test import SmokeTestContext, try_gnn, try_transformer


def list_smoke_tests(spec: PreflightSpec, place: SmokeTestContext) -> Iterator[tuple[str, Callable[[], Checks]]]:
    """Return the name of each cell that is tried, with its trial; fusion comes after what it is tried on."""
    shared = {"dataset": spec.dataset, "seed": spec.seed, "device": spec.device, "threads": spec.threads}
    if spec.transformer is not None:
        text = TransformerSpec(**shared, model=spec.transformer.model, training=spec.transformer.training)
        yield "transformer", lambda: try_transformer(text, place)
    if spec.gnn is not None:
        graph = GnnSpec(**shared, model=spec.gnn.model, training=spec.gnn.training)
        yield "gnn", lambda: try_gnn(graph, place)
    if spec.fusion is not None:
        bases = {"transformer": place.scratch, "gnn": place.scratch}
        fusion = FusionSpec(**shared, **bases, model=spec.fusion.model, training=spec.fusion.training)
        yield "fusion", lambda: try_fusion(fusion, place)
