"""Training of the text model: functions per CPU second of our loop, and of the transformers library's `Trainer`.

`python -m bench.transformer FILE.jsonl[.gz] [--functions 2000] [--max-tokens 512] [--size small] [--rounds 3]
[--compile]`

Both train the same fresh model on the same ids, tokenised once, with the same batch size and threads, one epoch at a
time and by turns, each in a process of its own that has warmed up. The peer is measured as it comes (random batches),
and with `train_sampling_strategy="group_by_length"`. CPU seconds, which other work on the machine moves least. Prints
a Markdown table, with the share of padding among the tokens that each computes.
"""

import argparse
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from cellgate.contract.configs import Precision, PrepareConfig, TransformerTraining
from cellgate.contract.specs import Device
from trainers.data.read.rows import read_rows
from trainers.engine.hardware import Hardware, set_up_hardware
from trainers.engine.malloc import keep_freed_memory
from trainers.engine.optimization import Stepper, compile_in_place, learning_rate_factor
from trainers.models.transformer.scratch import ScratchSize, build_model, build_tokenizer
from trainers.models.transformer.task import TransformerTask
from trainers.models.transformer.token_ids import TokenizedDataset, tokenize
from trainers.models.transformer.train import quieten_library

OURS, COMPILED = "ours", "ours, `compile`"
DEFAULTS, GROUPED = "Trainer, defaults", "Trainer, group_by_length"
WARM_UP_FUNCTIONS = 512
PEAK = 3e-3
Epoch = Callable[[np.ndarray], float]


class Bench:
    """The data, made once, and an epoch of each kind."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._hardware: Hardware = set_up_hardware(
            device=Device.CPU, precision=Precision.FP32, threads=given.threads, seed=0
        )
        sources, labels = read(given.source, given.functions)
        self._tokenizer: Any = build_tokenizer(sources, vocab_size=1024)
        self._tokenizer.model_max_length = given.max_tokens
        self._tokens: TokenizedDataset = tokenize(sources, self._tokenizer, max_tokens=given.max_tokens)
        self._labels = np.array(labels)
        self._size = ScratchSize(given.size)
        self._max_tokens = given.max_tokens
        self._batch_size = given.batch_size
        self._pad = DataCollatorWithPadding(self._tokenizer)
        self._computed: list[int] = []

    @property
    def rows(self) -> np.ndarray:
        """All of them."""
        return np.arange(len(self._labels))

    def model(self) -> Any:
        """A fresh model, always the same."""
        return build_model(
            self._size,
            vocab_size=len(self._tokenizer),
            pad_token_id=self._tokenizer.pad_token_id,
            max_tokens=self._max_tokens,
            seed=0,
        ).train()

    def _collate(self, examples: list[dict[str, Any]]) -> Any:
        batch = self._pad(examples)
        self._computed.append(batch["input_ids"].numel())
        return batch

    def padding(self, rows: np.ndarray) -> float:
        """The share of padding in what was computed since the last time."""
        share = 1 - int(self._tokens.lengths(rows).sum()) / sum(self._computed)
        self._computed.clear()
        return share

    def ours(self, rows: np.ndarray, *, compiled: bool = False) -> float:
        """Train one epoch as `fit` does; return the CPU seconds."""
        keep_freed_memory()
        task = TransformerTask(
            self.model(),
            tokens=self._tokens,
            pad_token_id=self._tokenizer.pad_token_id,
            batch_size=self._batch_size,
            max_tokens=self._max_tokens,
            pairs=None,
        )
        if compiled:
            compile_in_place(task.model)
        config = TransformerTraining(batch_size=self._batch_size)
        stepper = Stepper(task, labels=self._labels, config=config, hardware=self._hardware, events=None)
        begun = time.process_time()
        batches = task.plan_epoch(rows, np.random.default_rng(0))
        for step, batch in enumerate(batches):
            factor = learning_rate_factor(step, total=len(batches), warmup_fraction=config.warmup_fraction)
            stepper.step([batch], learning_rate=PEAK * factor)
            self._computed.append(len(batch) * int(self._tokens.lengths(batch).max()))
        return time.process_time() - begun

    def peer(self, rows: np.ndarray, **options: Any) -> float:
        """Train one epoch as the library does; return the CPU seconds."""
        watch = Watch()
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder,
                num_train_epochs=1,
                per_device_train_batch_size=self._batch_size,
                learning_rate=PEAK,
                use_cpu=True,
                disable_tqdm=True,
                report_to="none",
                **options,
            )
            trainer = Trainer(
                self.model(),
                arguments,
                data_collator=self._collate,
                train_dataset=Examples(self._tokens, self._labels, rows),
                callbacks=[watch],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        return watch.spent


class Examples(torch.utils.data.Dataset[dict[str, Any]]):
    """The same ids, as the library takes them: lists, made once."""

    def __init__(self, tokens: TokenizedDataset, labels: np.ndarray, rows: np.ndarray) -> None:
        self._examples = [
            {
                "input_ids": tokens.of(row).tolist(),
                "attention_mask": [1] * len(tokens.of(row)),
                "labels": int(labels[row]),
            }
            for row in rows.tolist()
        ]

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self._examples[place]


class Watch(TrainerCallback):
    """Takes the CPU time from the first step to the last."""

    spent = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Begin."""
        self._begun = time.process_time()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """End."""
        self.spent = time.process_time() - self._begun


def read(source: Path, functions: int) -> tuple[list[str], list[int]]:
    """Return so many functions and their labels, drawn at random."""
    rows = read_rows([source], PrepareConfig()).rows
    drawn = random.Random(0).sample(rows, min(functions, len(rows)))
    return [row.func for row in drawn], [row.label for row in drawn]


def main() -> None:
    """Measure by turns and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="labelled functions, in any layout that `prepare` takes")
    parser.add_argument("--functions", type=int, default=2000)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--size", choices=[size.value for size in ScratchSize], default="small")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="measure ours compiled, too")
    given = parser.parse_args()
    quieten_library()
    bench = Bench(given)
    kinds: dict[str, Epoch] = {
        OURS: bench.ours,
        DEFAULTS: bench.peer,
        GROUPED: lambda rows: bench.peer(rows, train_sampling_strategy="group_by_length"),
    }
    if given.compile:
        kinds[COMPILED] = lambda rows: bench.ours(rows, compiled=True)
    padding, seconds = measure(bench, kinds, given.rounds)
    print("| | functions per CPU s | of it per round | padding | ours is faster by |\n" + "|---" * 5 + "|")
    for name in kinds:
        rates = [len(bench.rows) / spent for spent in seconds[name]]
        ratio = median(peer / ours for peer, ours in zip(seconds[name], seconds[OURS], strict=True))
        shown = " ".join(f"{rate:.0f}" for rate in rates)
        print(f"| {name} | {median(rates):.0f} | {shown} | {padding[name]:.1%} | {ratio:.2f} |")


def measure(bench: Bench, kinds: dict[str, Epoch], rounds: int) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Return each kind's share of padding and its CPU seconds in every round."""
    padding: dict[str, float] = {}
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, epoch in kinds.items():
            spent, padding[name] = measured_apart(bench, epoch)
            seconds[name].append(spent)
    return padding, seconds


def measured_apart(bench: Bench, epoch: Epoch) -> tuple[float, float]:
    """Return CPU seconds and padding of one epoch in a fork: what it does to its process, the next one does not see."""
    here, there = multiprocessing.Pipe(duplex=False)

    def run() -> None:
        epoch(bench.rows[:WARM_UP_FUNCTIONS])
        bench.padding(bench.rows)
        there.send((epoch(bench.rows), bench.padding(bench.rows)))

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    there.close()
    result: tuple[float, float] = here.recv()
    child.join()
    return result


if __name__ == "__main__":
    main()
