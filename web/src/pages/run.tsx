import { cellName } from "../format";
import { lazily } from "../parts/lazy";
import { Trouble } from "../parts/state";
import { useLive, usePoll } from "../poll";
import { useTitle } from "../router";
import type { Attempt, Experiment, Job, Run, RunEvent } from "../schemas";
import { ended } from "../states";
import { Belongings } from "./run/belongings";
import { Events } from "./run/events";
import { Head } from "./run/head";
import { ResultCard } from "./run/result";
import { TimeLine } from "./run/time_line";

const Curves = lazily(() => import("./run/curves").then((found) => found.Curves), "screen");
const Log = lazily(() => import("./run/log").then((found) => found.Log));
const TRAINED = new Set<Run["cell"]>([51, 52, 53]);
const LAST_EVENTS = 500;
const NO_EVENTS: RunEvent[] = [];

export function RunPage({ id }: { id: string }) {
  const path = `/v1/runs/${id}`;
  const { value: run, trouble } = useLive<Run>(path, (found) => ended(found.state));
  const over = run !== null && ended(run.state);
  const job = usePoll<Job>(run ? `/v1/jobs/${run.job}` : null, () => true);
  const experiment = usePoll<Experiment>(run?.experiment ? `/v1/experiments/${run.experiment}` : null, () => true);
  const events = usePoll<RunEvent[]>(run ? `${path}/events?order=desc&limit=${LAST_EVENTS}` : null, () => over);
  const attempts = usePoll<Attempt[]>(run ? `${path}/attempts` : null, () => over);
  useTitle(run ? `${cellName(run.cell)}, seed ${run.seed}` : null);
  if (run === null) return trouble ? <Trouble text={trouble} /> : <p class="quiet pad tall">Loading…</p>;
  const found = events.value ?? NO_EVENTS;
  // Charts of what trains are there from the start; of the rest they come when something was measured.
  const trains = TRAINED.has(run.cell);
  return (
    <>
      <Head run={run} job={job.value} name={experiment.value?.name ?? null} />
      <TimeLine run={run} events={found} attempts={attempts.value ?? []} />
      <ResultCard run={run} />
      {trains && <Curves run={run} events={found} trains={trains} />}
      <Log path={path} id={run.id} over={over} />
      {!trains && <Curves run={run} events={found} trains={trains} />}
      <Events events={found} />
      <Belongings run={run} job={job.value} />
    </>
  );
}
