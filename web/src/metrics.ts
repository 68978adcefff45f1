// Curves of several runs at once: each is read again only while its run goes on.

import { useEffect, useState } from "preact/hooks";
import { read } from "./api";
import { ended, type Curve, type Run, type RunMetrics } from "./types";

const EVERY_S = 3;
const MOST_POINTS = 300;

export type CurvesOfRuns = Record<string, Curve[]>;

/** The curves of runs, by run id. */
export function useCurves(runs: Run[], keys: string[]): CurvesOfRuns {
  const [curves, setCurves] = useState<CurvesOfRuns>({});
  const started = runs.filter((run) => run.attempt > 0);
  const wanted = started.map((run) => `${run.id}:${ended(run.state)}`).join();
  useEffect(() => {
    const abort = new AbortController();
    const etags = new Map<string, string | null>();
    let timer: number | undefined;

    async function ask(): Promise<void> {
      for (const run of started) {
        if (abort.signal.aborted) return;
        if (ended(run.state) && etags.has(run.id)) continue;
        const path = `/v1/runs/${run.id}/metrics?keys=${keys.map(encodeURIComponent).join()}`;
        const answer = await read<RunMetrics>(path, etags.get(run.id) ?? null, abort.signal);
        if (answer.kind !== "fresh") continue;
        etags.set(run.id, answer.etag);
        const found = answer.value.curves.map(downSampled);
        setCurves((was) => ({ ...was, [run.id]: found }));
      }
      if (started.some((run) => !ended(run.state) || !etags.has(run.id))) {
        timer = window.setTimeout(loop, 1000 * EVERY_S * (document.hidden ? 10 : 1));
      }
    }

    function loop(): void {
      ask().catch(() => undefined);
    }

    loop();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [wanted, keys.join()]);
  return curves;
}

/** A curve with at most 300 points: means of equal groups of neighbours. */
export function downSampled(curve: Curve): Curve {
  const size = Math.ceil(curve.steps.length / MOST_POINTS);
  if (size <= 1) return curve;
  const steps: number[] = [];
  const values: number[] = [];
  for (let start = 0; start < curve.steps.length; start += size) {
    const group = curve.values.slice(start, start + size);
    steps.push(curve.steps[Math.min(start + size, curve.steps.length) - 1] ?? 0);
    values.push(group.reduce((sum, value) => sum + value, 0) / group.length);
  }
  return { key: curve.key, steps, values };
}
