import { useCurves } from "../metrics";
import type { Job, Run } from "../schemas";
import { Chart, type Line } from "./chart";

const KEYS = ["dev/f1", "train/loss"];
const TRAINED = new Set<Run["cell"]>([51, 52, 53]);

/** Learning curves of every seed of 51, 52 and 53. */
export function LearningCurves({ jobs }: { jobs: Job[] }) {
  const runs = jobs.filter((job) => TRAINED.has(job.cell)).flatMap((job) => job.runs);
  const curves = useCurves(runs, KEYS);
  if (Object.values(curves).every((found) => found.length === 0)) return null;
  const lines = (key: string): Line[] =>
    runs.flatMap((run) => {
      const curve = curves[run.id]?.find((found) => found.key === key);
      if (!curve) return [];
      const dash = [...new Set(runs.map((other) => other.seed))].indexOf(run.seed);
      const { steps, values } = curve;
      return [{ label: `${run.cell} seed ${run.seed}`, colour: `--cell-${run.cell}`, dash, steps, values }];
    });
  return (
    <section class="card" aria-labelledby="curves">
      <div class="head">
        <h2 id="curves">Learning curves</h2>
        <span class="quiet">by optimizer step; colour: cell, dashes: seed</span>
      </div>
      <div class="charts">
        <Chart title="F1 on dev" lines={lines("dev/f1")} />
        <Chart title="Training loss" lines={lines("train/loss")} />
      </div>
    </section>
  );
}
