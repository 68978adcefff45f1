// The seven steps of an experiment in one line, with a tick for every seed.

import { percent } from "../format";
import type { Conclusion, ExperimentSummary, SummaryStep } from "../schemas";

const LABELS: Record<string, string> = {
  prepare: "prepare",
  preflight: "pre-flight",
  "51": "51",
  "52": "52",
  gate: "gate",
  "53": "53",
  decision: "decision",
};
/** So many ticks have no room for gaps. */
const MANY = 8;
const SEEDED = new Set(["51", "52", "53"]);
const TONES: Record<string, string> = {
  queued: "",
  paused: "",
  pending: "",
  waiting: "",
  skipped: "skipped",
  cancelled: "stopped",
  failed: "bad",
  succeeded: "done",
  ready: "done",
  done: "done",
  ended: "done",
};
const VERDICTS: Record<string, string> = { pass: "good", fail: "bad" };
const OUTCOMES: Record<Conclusion["outcome"], string> = {
  ships: "good",
  borderline: "warn",
  improve: "warn",
  broken: "bad",
  failed: "bad",
  stopped: "stopped",
};

/** The steps of an experiment; `labels` puts their names below. */
export function Strip({ of, labels = false }: { of: Pick<ExperimentSummary, "steps" | "name" | "conclusion">; labels?: boolean }) {
  return (
    <ol class={labels ? "strip labelled" : "strip"} aria-label={`Steps of ${of.name}`}>
      {of.steps.map((step) => (
        <Step key={step.step} step={step} outcome={of.conclusion?.outcome ?? null} labels={labels} />
      ))}
    </ol>
  );
}

interface StepProps {
  step: SummaryStep;
  /** Of the experiment, once it has ended. */
  outcome: Conclusion["outcome"] | null;
  labels: boolean;
}

function Step({ step, outcome, labels }: StepProps) {
  const ticks = ticksOf(step, outcome);
  const words = `${LABELS[step.step] ?? step.step}: ${inWords(step)}`;
  const classes = [
    SEEDED.has(step.step) ? "wide" : "slim",
    step.runs.some(({ state }) => toneOf(state) === "busy") ? "at-work" : "",
    step.state === "failed" || step.verdict === "fail" ? "fails" : "",
  ];
  return (
    <li class={classes.join(" ").trim()} title={words}>
      <span class="sr">{words}</span>
      <span class={ticks.length > MANY ? "beats many" : "beats"} aria-hidden="true">
        {ticks.map(({ tone, progress }, index) => (
          <span key={index} class={`beat ${tone}`}>
            {tone === "busy" && <span style={{ width: percent(progress ?? 0).replace(" ", "") }} />}
          </span>
        ))}
      </span>
      {labels && (
        <span class="label" aria-hidden="true">
          {LABELS[step.step] ?? step.step}
        </span>
      )}
    </li>
  );
}

interface Tick {
  tone: string;
  progress: number | null;
}

function ticksOf(step: SummaryStep, outcome: Conclusion["outcome"] | null): Tick[] {
  const judged = step.step === "decision" && outcome !== null ? OUTCOMES[outcome] : VERDICTS[step.verdict ?? ""];
  if (judged !== undefined && step.state !== "skipped") return [{ tone: judged, progress: null }];
  if (step.runs.length === 0 || step.state === "skipped") return [{ tone: toneOf(step.state), progress: null }];
  return step.runs.map(({ state, progress }) => ({ tone: toneOf(state), progress: progress ?? null }));
}

function toneOf(state: string): string {
  return TONES[state] ?? "busy";
}

function inWords({ state, verdict, runs }: SummaryStep): string {
  if (verdict) return verdict.replaceAll("_", " ");
  if (state === "skipped") return "not needed";
  if (runs.length < 2) return state;
  const of = (wanted: string) => runs.filter((run) => run.state === wanted).length;
  const parts = [`${of("succeeded")} of ${runs.length} seeds done`];
  for (const wanted of ["running", "failed", "paused", "cancelled"]) if (of(wanted)) parts.push(`${of(wanted)} ${wanted}`);
  return parts.join(", ");
}
