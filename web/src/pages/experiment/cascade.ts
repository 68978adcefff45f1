// Which failed checks of the gate fail only because seeds did not finish: one cause, told once.

import type { GateCheck, GateReport, Run } from "../../schemas";

export interface Cascade {
  /** The check of the seeds themselves. */
  cause: GateCheck;
  /** What happened, such as "2 seeds collapsed". */
  sentence: string;
  /** Checks that fail because of it. */
  follows: GateCheck[];
}

const FAILS = new Set(["fail", "warn"]);
const FOUND_RATES = new Set(["finder", "cache", "spec"]);

/** Return the checks that follow from lost seeds; null where no seed was lost. */
export function cascadeOf(report: GateReport, runs: Run[]): Cascade | null {
  const cause = report.checks.find((check) => check.name === "seeds_complete" && FAILS.has(check.verdict));
  const lost = (cause?.seeds ?? []).filter((seed) => seed.value !== "succeeded");
  if (cause === undefined || lost.length === 0) return null;
  const names = new Set(lost.map((seed) => seed.run));
  const follows = report.checks.filter((check) => check !== cause && FAILS.has(check.verdict) && followsFrom(check, names));
  const reasons = new Set(runs.filter((run) => names.has(run.id)).map((run) => run.failure_reason));
  const seeds = lost.length === 1 ? "1 seed" : `${lost.length} seeds`;
  const happened = reasons.size === 1 && reasons.has("collapse") ? "collapsed" : "did not succeed";
  return { cause, sentence: `${seeds} ${happened}`, follows };
}

function followsFrom(check: GateCheck, lost: Set<string>): boolean {
  const { seeds = [] } = check;
  const others = seeds.filter((seed) => !lost.has(seed.run));
  if (check.name === "lr_found") return others.every((seed) => FOUND_RATES.has(String(seed.value)));
  // Checks of every run name each run that fails them, divided by bars.
  const named = check.reason.split(" | ").map((part) => /^cell (\d+) seed (\d+):/.exec(part));
  if (named.every((found) => found !== null)) {
    return named.every((found) =>
      seeds.some((seed) => lost.has(seed.run) && seed.cell === Number(found[1]) && seed.seed === Number(found[2])),
    );
  }
  // What was not measured at all failed for want of a result.
  return check.measured == null && seeds.some((seed) => lost.has(seed.run));
}
