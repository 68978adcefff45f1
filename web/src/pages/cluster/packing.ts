// Runs of one worker put into as many lanes as it has slots. Which slot a run had is not recorded; that no two runs of a
// lane overlap is all that a lane says.

import type { Run, Worker } from "../../schemas";

export const LONGEST_S = 3600;

export interface Span {
  run: Run;
  /** Milliseconds since 1970. */
  from: number;
  to: number;
}

export function packed(worker: Worker, runs: Run[], now: number): Span[][] {
  const known = new Map(runs.filter((run) => run.worker === worker.id && run.started_at !== null).map((run) => [run.id, run]));
  const spans = [...known.values()]
    .map((run) => ({ run, from: Date.parse(run.started_at ?? ""), to: run.finished_at ? Date.parse(run.finished_at) : now }))
    .filter(({ to }) => now - to < 1000 * LONGEST_S)
    .sort((one, other) => one.from - other.from);
  const lanes: Span[][] = Array.from({ length: Math.max(1, worker.slots) }, () => []);
  for (const span of spans) {
    const free = lanes.find((lane) => (lane.at(-1)?.to ?? 0) <= span.from);
    if (free) free.push(span);
    // Clocks of two machines: it has had a slot all the same.
    else lanes.push([span]);
  }
  return lanes;
}
