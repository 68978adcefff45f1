// What a run did when: its states, its attempts and their phases, on one line of time.

import { between, clock, duration } from "../../format";
import type { Attempt, Run, RunEvent } from "../../schemas";
import { ended } from "../../states";

interface Segment {
  name: string;
  from: number;
  to: number;
  kind: string;
}

/** A segment narrower than this share of the line has no room for its name. */
const NAMED = 0.07;

export function TimeLine({ run, events, attempts }: { run: Run; events: RunEvent[]; attempts: Attempt[] }) {
  const begin = Date.parse(run.created_at);
  const end = run.finished_at === null ? Date.now() : Date.parse(run.finished_at);
  const oldestFirst = [...events].sort((one, other) => one.id - other.id);
  const states = segments(oldestFirst, end, (event) => (event.kind === "transition" ? String(event.body["to"] ?? "") : null), ended);
  const phases = segments(
    oldestFirst,
    end,
    (event) => {
      if (event.kind === "phase") return String(event.body["phase"] ?? "").replaceAll("_", " ");
      return event.kind === "finished" || event.kind === "failed" || event.kind === "started" ? "" : null;
    },
    (name) => name === "",
  );
  const marks = oldestFirst.filter((event) => event.kind === "collapse" || event.kind === "backoff" || event.kind === "warning");
  const share = (at: number) => `${(100 * Math.min(1, Math.max(0, (at - begin) / Math.max(1, end - begin)))).toFixed(2)}%`;
  return (
    <section class="card time-line" aria-labelledby="time-line">
      <div class="head">
        <h2 id="time-line">Time line</h2>
        <span class="quiet">
          {clock(run.created_at)} to {run.finished_at ? clock(run.finished_at) : "now"}, {duration((end - begin) / 1000)}
        </span>
      </div>
      <div class="run-lane states" role="img" aria-label={spoken("States", states)}>
        {states.map((one) => (
          <Bar key={one.from} of={one} begin={begin} end={end} share={share} />
        ))}
      </div>
      <div class="run-lane phases" role="img" aria-label={spoken("Phases", phases)}>
        {phases.map((one) => (
          <Bar key={`${one.from}${one.name}`} of={one} begin={begin} end={end} share={share} />
        ))}
        {marks.map((event) => (
          <span key={event.id} class={`tick-mark ${event.kind}`} style={{ left: share(Date.parse(event.at)) }} title={`${event.kind}, ${clock(event.at)}`} />
        ))}
      </div>
      {attempts.length > 1 && (
        <ol class="attempts">
          {attempts.map((attempt) => (
            <li key={attempt.attempt}>
              Attempt {attempt.attempt} on {attempt.worker}: {duration(attempt.duration_s ?? between(attempt.started_at, attempt.finished_at))}
              {attempt.outcome && `, ${attempt.outcome.replaceAll("_", " ")}`}
              {attempt.exit_code !== null && attempt.exit_code !== 0 && `, exit code ${attempt.exit_code}`}
              {attempt.checkpoint_step !== null && `, checkpoint at step ${attempt.checkpoint_step}`}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function Bar(props: { of: Segment; begin: number; end: number; share: (at: number) => string }) {
  const { of, begin, end, share } = props;
  const width = (of.to - of.from) / Math.max(1, end - begin);
  const title = `${of.name}, ${duration((of.to - of.from) / 1000)}`;
  return (
    <span
      class={`bar-segment ${of.kind}`}
      style={{ left: share(of.from), width: `max(2px, ${(100 * Math.min(1, width)).toFixed(2)}%)` }}
      title={title}
    >
      {width > NAMED && <span>{of.name}</span>}
    </span>
  );
}

/** Cut time where an event names what begins; what `over` accepts begins nothing. */
function segments(
  events: RunEvent[],
  end: number,
  nameOf: (event: RunEvent) => string | null,
  over: (name: string) => boolean,
): Segment[] {
  const found: Segment[] = [];
  let open: { name: string; from: number } | null = null;
  const close = (at: number) => {
    if (open !== null) found.push({ name: open.name, from: open.from, to: Math.max(at, open.from), kind: open.name.replaceAll(" ", "-") });
    open = null;
  };
  for (const event of events) {
    const name = nameOf(event);
    if (name === null) continue;
    const at = Date.parse(event.at);
    close(at);
    if (!over(name)) open = { name, from: at };
  }
  close(end);
  return found;
}

function spoken(what: string, found: Segment[]): string {
  return `${what}: ${found.map((one) => `${one.name} ${duration((one.to - one.from) / 1000)}`).join(", ")}`;
}
