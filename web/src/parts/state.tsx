// States and verdicts: always a shape and a text, never a colour alone.

import type { Verdict } from "../schemas";

export type Tone = "good" | "bad" | "busy" | "warn" | "idle";

const TONES: Record<string, Tone> = {
  pass: "good",
  clear: "good",
  succeeded: "idle",
  ready: "idle",
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

// States that say how far something is, not how good it is, have shapes of their own.
const SHAPES_OF: Record<string, string> = {
  succeeded: "M5.2 8.2l2 2 3.6-4.2",
  ready: "M5.2 8.2l2 2 3.6-4.2",
  cancelled: "M6 6h4v4H6z",
  paused: "M6.5 5.5v5M9.5 5.5v5",
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
      <circle class={kind === "busy" ? "faint" : "ground"} cx="8" cy="8" r={kind === "busy" ? 4.5 : 7} />
      <path d={SHAPES_OF[state] ?? SHAPES[kind]} />
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
