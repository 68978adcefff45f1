// What came of an experiment, or how far it is. Ended is not good: a green tick stands for a clear answer to ship alone.

import type { ComponentChildren } from "preact";
import { duration, percent, shipWords } from "../format";
import type { Conclusion, Experiment, ExperimentSummary } from "../schemas";
import type { Tone } from "./state";

type Shape = "ships" | "borderline" | "improve" | "broken" | "failed" | "stopped" | "running" | "waiting" | "stuck";

export interface Verdict {
  tone: Tone;
  shape: Shape;
  words: string;
  /** Who overruled the computed outcome. */
  by: string | null;
  /** Everything, for who asks for it. */
  title: string;
}

/** What is known of an experiment's end or progress; a summary and an experiment both have it. */
export type Concluding = Pick<Experiment, "lifecycle" | "state" | "conclusion"> &
  Partial<Pick<ExperimentSummary, "progress" | "eta_s" | "waiting">>;

/** How an experiment's outcome, or its progress while it goes on, looks and reads. */
export function verdictOf(found: Concluding): Verdict {
  return found.conclusion ? ended(found.conclusion) : goingOn(found);
}

function ended(conclusion: Conclusion): Verdict {
  const { outcome, option, text, overruled_by: by, computed } = conclusion;
  const whole = by ? `${text}; computed: ${computed.text}` : text;
  const as = (tone: Tone, words: string): Verdict => ({ tone, shape: outcome, words, by: by ?? null, title: whole });
  switch (outcome) {
    case "ships":
      return as("good", shipWords(option));
    case "borderline":
      return as("warn", `Borderline: ${shipWords(option).toLowerCase()}`);
    case "improve":
      return as("warn", "Improve 51 and 52");
    case "broken":
    case "failed":
      return as("bad", capital(text));
    case "stopped":
      return as("idle", "Stopped");
  }
}

function goingOn({ state, lifecycle, waiting, progress, eta_s }: Concluding): Verdict {
  if (waiting) {
    const stuck = waiting.reason === "no_worker" || waiting.reason === "storage_full";
    const words = WAITS[waiting.reason] ?? capital(waiting.reason.replaceAll("_", " "));
    return { tone: stuck ? "warn" : "idle", shape: stuck ? "stuck" : "waiting", words, by: null, title: waiting.detail };
  }
  if (lifecycle === "waiting") {
    return { tone: "idle", shape: "waiting", words: "Waits for its data set", by: null, title: "Its data set is being prepared" };
  }
  const share = progress == null ? "" : ` ${percent(progress)}`;
  const left = eta_s == null ? "" : `, about ${duration(eta_s)} left`;
  return { tone: "busy", shape: "running", words: `${capital(state)}${share}`, by: null, title: `${capital(state)}${share}${left}` };
}

const WAITS: Record<string, string> = {
  paused: "Paused",
  quota: "Waits for its quota",
  no_worker: "No worker serves it",
  behind: "Waits in the queue",
  busy: "Waits for a free slot",
  next: "Starts next",
  storage_full: "Disk is full",
};

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The mark of an experiment with its words; `pill` puts both on a ground of their colour. */
export function Outcome({ of, pill = false }: { of: Concluding; pill?: boolean }) {
  const { tone, shape, words, by, title } = verdictOf(of);
  return (
    <span class={`outcome ${tone}${pill ? " pill" : ""}`} title={title}>
      <Sign shape={shape} share={of.progress ?? null} />
      <span class="words">
        {words}
        {by && (
          <span class="by">
            , by <bdi>{by}</bdi>
          </span>
        )}
      </span>
    </span>
  );
}

const TURN = 2 * Math.PI * 6;

function Sign({ shape, share }: { shape: Shape; share: number | null }) {
  return (
    <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
      {SIGNS[shape]}
      {shape === "running" && (
        <circle
          cx="8"
          cy="8"
          r="6"
          stroke-dasharray={`${Math.max(0.04, share ?? 0.25) * TURN} ${TURN}`}
          transform="rotate(-90 8 8)"
        />
      )}
    </svg>
  );
}

const SIGNS: Record<Shape, ComponentChildren> = {
  ships: (
    <>
      <circle class="full" cx="8" cy="8" r="7.5" />
      <path class="on-full" d="M4.6 8.3l2.4 2.4 4.4-5" />
    </>
  ),
  borderline: (
    <>
      <circle class="dashed" cx="8" cy="8" r="6.6" stroke-width="1.5" />
      <path d="M4.9 7.2c1-1 2-1 3.1 0s2.1 1 3.1 0M4.9 10c1-1 2-1 3.1 0s2.1 1 3.1 0" stroke-width="1.4" />
    </>
  ),
  improve: <path d="M8 13V3.6M4 7.4l4-4 4 4" />,
  broken: (
    <>
      <path d="M8 1.6a6.4 6.4 0 0 0-1 12.7M9.2 1.7a6.4 6.4 0 0 1 .4 12.5" stroke-width="1.6" />
      <path d="M9.4 1.8L6.6 6.4l3 2.4-2.4 5.4" stroke-width="1.6" />
    </>
  ),
  failed: (
    <>
      <circle class="full" cx="8" cy="8" r="7.5" />
      <path class="on-full" d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" />
    </>
  ),
  stopped: <rect class="full" x="3.5" y="3.5" width="9" height="9" rx="1.5" />,
  running: <circle class="faint" cx="8" cy="8" r="6" />,
  waiting: (
    <>
      <circle class="dashed" cx="8" cy="8" r="6" stroke-width="1.6" />
      <path d="M8 5v3.2l2 1.4" stroke-width="1.5" />
    </>
  ),
  stuck: (
    <>
      <path d="M8 2L14.6 13.6H1.4z" stroke-width="1.6" />
      <path d="M8 6.4v3.2M8 11.6v.1" stroke-width="1.6" />
    </>
  ),
};
