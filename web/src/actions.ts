// The actions that a run, a job or an experiment allows in its state; the server decides in the end.

import type { Experiment, Job, Run } from "./schemas";
import { ended } from "./states";

export interface Action {
  /** The last part of the route. */
  verb: "cancel" | "pause" | "resume" | "retry";
  label: string;
  /** The question to confirm first; null: no question, the action can be undone. */
  question: string | null;
}

const PAUSE: Action = { verb: "pause", label: "Pause", question: null };
const RESUME: Action = { verb: "resume", label: "Resume", question: null };
const CAN_PAUSE = new Set(["queued", "starting", "running"]);
const CAN_CANCEL = new Set([...CAN_PAUSE, "pausing", "paused"]);
const CAN_RETRY = new Set(["failed", "cancelled"]);
const WITHDRAWS = "What was concluded without it is withdrawn, and made anew.";

export function actionsOfRun(run: Run): Action[] {
  if (run.superseded_by !== null) return [];
  return actionsOf([run], "this run", run.experiment === null ? null : `Try it again? ${WITHDRAWS}`);
}

export function actionsOfJob(job: Job, experiment: Experiment): Action[] {
  const question = experiment.outcome === null ? null : `Try again? ${WITHDRAWS}`;
  const actions = actionsOf(job.runs, job.runs.length === 1 ? "its run" : "its unfinished runs", question);
  return experiment.state === "cancelled" ? actions.filter((action) => action.verb !== "retry") : actions;
}

export function actionsOfExperiment(experiment: Experiment): Action[] {
  if (ended(experiment.state)) return [];
  return [{ verb: "cancel", label: "Cancel", question: "Cancel the experiment and every run of it? It cannot go on." }];
}

function actionsOf(runs: Run[], what: string, beforeRetry: string | null): Action[] {
  const any = (states: Set<string>) => runs.some((run) => states.has(run.state));
  const actions: Action[] = [];
  if (any(CAN_PAUSE)) actions.push(PAUSE);
  if (any(new Set(["paused"]))) actions.push(RESUME);
  if (any(CAN_RETRY)) actions.push({ verb: "retry", label: "Retry", question: beforeRetry });
  if (any(CAN_CANCEL)) actions.push({ verb: "cancel", label: "Cancel", question: `Cancel ${what}?` });
  return actions;
}
