"""Files scored by several processes, each with one thread and the bundle opened once."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from cellgate.contract.bundle import BundleManifest
from cellgate.contract.errors import OutOfMemoryError, TrainerError, is_out_of_memory
from cellgate.contract.specs import Explain
from trainers.bundle.file_scoring import FileOutcome, FileTask, Predictor, not_survived, score_files
from trainers.bundle.scan_here import Batch, batches

# Libraries start a thread for each core otherwise, which wait for each other in a loop while another process computes.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def serve(connection: Connection, opener: Callable[[], Predictor]) -> None:
    """Open a bundle, then score the files that come through a pipe until it is closed.

    Args:
        connection: Brings tasks, threshold and what to explain; takes the outcomes, or the error.
        opener: Opens the bundle.
    """
    # Ctrl-C reaches the whole group; whoever started this process ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with connection, suppress(EOFError, OSError):
        try:
            bundle = opener()
            while True:
                tasks, threshold, explain = connection.recv()
                connection.send(_outcomes(bundle, tasks, threshold, explain))
        except TrainerError as error:
            connection.send(error)


def _outcomes(
    bundle: Predictor, tasks: Sequence[FileTask], threshold: float | None, explain: Explain
) -> list[FileOutcome] | OutOfMemoryError:
    try:
        return score_files(bundle, tasks, threshold=threshold, explain=explain)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return OutOfMemoryError(str(error))


@dataclass(kw_only=True)
class _Worker:
    """A process, the parent's end of its pipe, and what it was given last."""

    process: BaseProcess
    connection: Connection
    batch: Batch | None = None


class WorkersScorer:
    """Scores files in several processes.

    Args:
        opener: Opens the bundle in each process; has to be importable.
        manifest: Of the bundle.
        jobs: How many processes.
        preload: Modules that are imported once for all processes, where the system can fork.
    """

    def __init__(
        self, opener: Callable[[], Predictor], manifest: BundleManifest, *, jobs: int, preload: Sequence[str] = ()
    ) -> None:
        self.manifest = manifest
        self._opener = opener
        self._jobs = jobs
        self._preload = list(preload)

    def score(
        self, tasks: Sequence[FileTask], *, threshold: float | None, explain: Explain
    ) -> Iterator[tuple[int, FileOutcome]]:
        """Yield each file's place among the tasks and what came of it, as they are done.

        A file on which its process dies, as one that needs more memory than there is, is a problem of its own.

        Raises:
            TrainerError: The bundle cannot be opened, or the threshold is not a probability.
        """
        # The largest first: the processes end at about the same time.
        waiting = deque(sorted(batches(tasks), key=lambda batch: -batch.size_bytes))
        with ExitStack() as stack:
            busy = [self._start(stack) for _ in range(min(self._jobs, len(waiting)))]
            for worker in busy:
                _give(worker, waiting.popleft(), tasks, threshold, explain)
            while busy:
                ready = wait([worker.connection for worker in busy])
                for worker in [one for one in busy if one.connection in ready]:
                    busy.remove(worker)
                    yield from self._received(worker, waiting, tasks)
                    if waiting:
                        next_one = worker if worker.process.is_alive() else self._start(stack)
                        _give(next_one, waiting.popleft(), tasks, threshold, explain)
                        busy.append(next_one)

    def _received(
        self, worker: _Worker, waiting: deque[Batch], tasks: Sequence[FileTask]
    ) -> Iterator[tuple[int, FileOutcome]]:
        places = () if worker.batch is None else worker.batch.places
        answer = _answer(worker)
        if isinstance(answer, str):
            if len(places) == 1:
                yield places[0], FileOutcome(problems=(not_survived(tasks[places[0]].path, answer),))
            # Which of them it was is seen when each is scored alone.
            waiting.extend(Batch(places=(place,), size_bytes=0) for place in places if len(places) > 1)
        else:
            yield from zip(places, answer, strict=True)

    def _start(self, stack: ExitStack) -> _Worker:
        os.environ.update(ONE_THREAD)
        methods = multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if self._preload and "forkserver" in methods:
            context.set_forkserver_preload(self._preload)
        parents_end, childs_end = context.Pipe()
        process = context.Process(target=serve, args=(childs_end, self._opener), daemon=True)
        process.start()
        childs_end.close()
        stack.callback(process.join)
        stack.callback(process.terminate)
        stack.callback(parents_end.close)
        return _Worker(process=process, connection=parents_end)


def _answer(worker: _Worker) -> list[FileOutcome] | str:
    """Return what came of a batch, or what was found where the process did not survive it.

    Raises:
        TrainerError: The bundle cannot be opened, or the threshold is not a probability.
        RuntimeError: The process ended by itself.
    """
    try:
        answer: list[FileOutcome] | TrainerError = worker.connection.recv()
    except (EOFError, OSError) as error:
        worker.process.join()
        code = worker.process.exitcode or 0
        if code >= 0:
            told = f"a process that scores files ended with exit code {code}; its output stands above"
            raise RuntimeError(told) from error
        killed = code == -signal.SIGKILL
        return "more than fits into memory" if killed else f"{signal.Signals(-code).name} in the process that scored it"
    if isinstance(answer, OutOfMemoryError):
        return "more than fits into memory"
    if isinstance(answer, TrainerError):
        raise answer
    return answer


def _give(worker: _Worker, batch: Batch, tasks: Sequence[FileTask], threshold: float | None, explain: Explain) -> None:
    worker.batch = batch
    # A process that has died is noticed when its answer is waited for.
    with suppress(OSError):
        worker.connection.send(([tasks[place] for place in batch.places], threshold, explain))
