// How far an experiment is, in one sentence and in the steps of its strip.

import { duration, percent } from "../../format";
import type { Decision, Experiment, GateReport, Job, Run, SummaryStep } from "../../schemas";
import { ended } from "../../states";
import { answerOf, headline, sentences } from "./answer_text";

const TRAINED = ["51", "52", "53"];

export function jobOf(experiment: Experiment, step: string): Job | undefined {
  return experiment.jobs.find((job) => job.step === step);
}

/** Every run of an experiment. */
export function runsOf(experiment: Experiment): Run[] {
  return experiment.jobs.flatMap((job) => job.runs);
}

/** The runs of cells 51, 52 and 53. */
export function trainedRuns(experiment: Experiment): Run[] {
  return TRAINED.flatMap((step) => jobOf(experiment, step)?.runs ?? []);
}

/** The steps of the strip, from what the experiment itself says. */
export function stepsOf(experiment: Experiment, dataset: string | null, decision: Decision | undefined): SummaryStep[] {
  const over = ended(experiment.state);
  const missing = over ? "skipped" : "pending";
  const ofJob = (step: string): SummaryStep => {
    const job = jobOf(experiment, step);
    const runs = (job?.runs ?? []).map((run) => ({ id: run.id, seed: run.seed, state: run.state, progress: doneOf(run) }));
    return { step, state: job?.state ?? missing, verdict: null, runs } as SummaryStep;
  };
  const plain = (step: string, state: string, verdict: string | null): SummaryStep =>
    ({ step, state, verdict, runs: [] }) as unknown as SummaryStep;
  const decided = decision !== undefined || experiment.outcome !== null;
  const verdict = experiment.conclusion?.outcome ?? decision?.confidence ?? null;
  return [
    plain("prepare", dataset ?? (experiment.jobs.length > 0 ? "ready" : "waiting"), null),
    ofJob("preflight"),
    ofJob("51"),
    ofJob("52"),
    plain("gate", experiment.gate_verdict, experiment.gate_verdict === "pending" ? null : experiment.gate_verdict),
    ofJob("53"),
    plain("decision", decided ? "done" : missing, over ? verdict : null),
  ];
}

function doneOf({ state, progress }: Run): number | null {
  if (ended(state)) return 1;
  return progress.steps_total ? Math.min(1, (progress.steps_done ?? 0) / progress.steps_total) : null;
}

/** What to know first: the answer, else what keeps it from coming, else how far it is. */
export function status(experiment: Experiment, decision: Decision | undefined, gate: GateReport | null): string {
  const { conclusion } = experiment;
  if (decision && (ended(experiment.state) || decision.outcome !== "train_fusion")) {
    const { overruling } = answerOf(decision);
    if (overruling) return headline(answerOf(decision));
    const said = sentences(decision, experiment.spec.policy, gate, runsOf(experiment));
    const spoiled = conclusion !== null && conclusion !== undefined && SPOILED.has(conclusion.outcome);
    // Where nothing ships, the failed checks are the news.
    return spoiled || (decision.outcome === "improve" && gate !== null) ? said.whyNot : said.ships;
  }
  if (conclusion) return experiment.failure_detail ?? capital(conclusion.text);
  const waiting = waitingOf(experiment);
  if (waiting !== null) return `Nothing moves: ${waiting}`;
  return progressOf(experiment);
}

/** The run that waits first, when none is at work. */
export function waitingRun(experiment: Experiment): Run | null {
  const open = runsOf(experiment).filter((run) => !ended(run.state));
  return open.some((run) => run.waiting === null) ? null : (open[0] ?? null);
}

/** Why nothing moves, when no run is at work; null while one is. */
export function waitingOf(experiment: Experiment): string | null {
  const first = waitingRun(experiment);
  if (first?.waiting) return first.waiting.detail;
  return experiment.state === "waiting" ? "its data set is being prepared" : null;
}

function progressOf(experiment: Experiment): string {
  const runs = trainedRuns(experiment);
  const done = runs.map(doneOf);
  const share = done.reduce<number>((sum, value) => sum + (value ?? 0), 0) / Math.max(1, done.length);
  const left = Math.max(0, ...runs.map((run) => (ended(run.state) ? 0 : (run.progress.eta_s ?? 0))));
  const failed = runs.filter((run) => run.state === "failed").length;
  const parts = [`${capital(experiment.state)}${runs.length > 0 ? `, ${percent(share)} done` : ""}`];
  if (left > 0) parts.push(`about ${duration(left)} left in what runs`);
  if (failed > 0) parts.push(`${failed} of ${runs.length} seeds failed`);
  return parts.join("; ");
}

/** Outcomes in which what was decided matters less than what went wrong. */
const SPOILED = new Set(["broken", "stopped", "failed"]);

/** The last word in one line: what went wrong, where that stands before any decision. */
export function lastWord(experiment: Experiment, decision: Decision): string {
  const answer = answerOf(decision);
  const { conclusion } = experiment;
  if (conclusion && SPOILED.has(conclusion.outcome) && answer.overruling === null) return capital(conclusion.text);
  return headline(answer);
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
