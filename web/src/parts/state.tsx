// States and verdicts: always a shape and a text, never a colour alone.

import type { Verdict } from "../schemas";

type Tone = "good" | "bad" | "busy" | "warn" | "idle";

const TONES: Record<string, Tone> = {
  succeeded: "good",
  ready: "good",
  pass: "good",
  clear: "good",
  borderline: "warn",
  failed: "bad",
  fail: "bad",
  cancelled: "idle",
  warn: "warn",
  waived: "warn",
  recovering: "warn",
  queued: "idle",
  paused: "idle",
  waiting: "idle",
  pending: "idle",
  "not needed": "idle",
  "not yet": "idle",
};

const SHAPES: Record<Tone, string> = {
  good: "M4 8.5l2.7 2.7L12 5.5",
  bad: "M5 5l6 6M11 5l-6 6",
  busy: "M8 3.5a4.5 4.5 0 1 1-4.5 4.5",
  warn: "M8 4.5v4.5M8 11.4v.1",
  idle: "M5.5 8h5",
};

export function tone(state: string): Tone {
  return TONES[state] ?? "busy";
}

export function Mark({ state }: { state: string }) {
  const kind = tone(state);
  return (
    <svg class={`mark ${kind}`} viewBox="0 0 16 16" aria-hidden="true">
      {kind !== "busy" && <circle cx="8" cy="8" r="7" />}
      <path d={SHAPES[kind]} />
    </svg>
  );
}

export function State({ state }: { state: string }) {
  return (
    <span class={`state ${tone(state)}`}>
      <Mark state={state} />
      {state}
    </span>
  );
}

export function VerdictMark({ verdict }: { verdict: Verdict }) {
  const names: Record<Verdict, string> = {
    pass: "pass",
    fail: "fail",
    warn: "warning",
    waived: "waived",
    pending: "pending",
  };
  return (
    <span class={`state ${tone(verdict)}`}>
      <Mark state={verdict} />
      {names[verdict]}
    </span>
  );
}

export function Bar({ done, total, label }: { done: number | null; total: number | null; label: string }) {
  const share = total ? Math.min(1, (done ?? 0) / total) : 0;
  return (
    <div
      class="progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(100 * share)}
    >
      <span style={{ width: `${100 * share}%` }} />
    </div>
  );
}

export function Trouble({ text }: { text: string }) {
  return (
    <section class="card">
      <h1>This cannot be shown</h1>
      <p>{text}</p>
      <p>
        <a href="#/">All experiments</a>
      </p>
    </section>
  );
}
