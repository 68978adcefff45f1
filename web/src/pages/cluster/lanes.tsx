// Worker by worker and slot by slot, what ran in the last hour.

import type { Request } from "../../parts/ask";
import { Name } from "../../parts/name";
import { age, between, cellName, duration } from "../../format";
import { may, useMe } from "../../me";
import type { Run, Worker } from "../../schemas";
import { LONGEST_S, packed, type Span } from "./packing";

const TICKS_MIN = [60, 50, 40, 30, 20, 10];

export interface LanesProps {
  workers: Worker[];
  runs: Run[];
  onAsk: (request: Request) => void;
}

export function Lanes({ workers, runs, onAsk }: LanesProps) {
  const now = Date.now();
  const aliveFirst = [...workers].sort((one, other) => Number(other.alive) - Number(one.alive) || one.id.localeCompare(other.id));
  return (
    <div class="lanes">
      <div class="lane-row times" aria-hidden="true">
        <span />
        <div class="lane">
          {TICKS_MIN.map((minutes) => (
            <span key={minutes} style={{ left: `${100 * (1 - minutes / 60)}%` }}>
              {minutes === 60 ? "1 h ago" : `${minutes} min`}
            </span>
          ))}
          <span class="now-tick">now</span>
        </div>
      </div>
      <ul>
        {aliveFirst.map((worker) => (
          <li key={worker.id} class="lane-row">
            <About worker={worker} onAsk={onAsk} />
            <div class="slots">
              {packed(worker, runs, now).map((spans, slot) => (
                <ol key={slot} class="lane" aria-label={`Slot ${slot + 1} of ${worker.id}`}>
                  {spans.map((span) => (
                    <Bar key={span.run.id} span={span} now={now} />
                  ))}
                </ol>
              ))}
            </div>
          </li>
        ))}
      </ul>
    </div>
  );
}

function About({ worker, onAsk }: { worker: Worker; onAsk: (request: Request) => void }) {
  const me = useMe();
  const { id, alive, draining, queues, runs, slots, heartbeat_at, listening } = worker;
  const state = !alive ? `silent since ${age(heartbeat_at)}` : draining ? "drains" : `${runs.length} of ${slots} slots at work`;
  return (
    <div class="about">
      <strong>
        <Name text={id} />
      </strong>
      <span class={!alive ? "idle" : draining ? "warn" : "quiet"}>{state}</span>
      <span class="quiet small">
        {queues.join(", ")}
        {alive && listening === false && " · looks for runs by itself: it hears no broker"}
      </span>
      {alive && may(me, "administer") && (
        <button type="button" onClick={() => onAsk(requestFor(worker))}>
          {draining ? "Resume" : "Drain"}
          <span class="sr"> {id}</span>
        </button>
      )}
    </div>
  );
}

function requestFor({ id, draining, runs }: Worker): Request {
  const verb = draining ? "resume" : "drain";
  const holds = runs.length === 0 ? "It holds none now." : `It holds ${runs.length} now.`;
  return {
    name: `${verb}_worker`,
    label: draining ? "Resume" : "Drain",
    method: "POST",
    path: `/v1/workers/${encodeURIComponent(id)}/${verb}`,
    body: null,
    needs: [],
    scope: "admin",
    why: draining
      ? `${id} takes runs again.`
      : `${id} takes no more runs and finishes those that it holds. ${holds} It can be stopped once it holds none.`,
  };
}

const TONES: Record<string, string> = { succeeded: "done", failed: "bad", cancelled: "stopped", paused: "stopped" };

function Bar({ span: { run, from, to }, now }: { span: Span; now: number }) {
  const x = (at: number) => 100 * (1 - (now - at) / 1000 / LONGEST_S);
  const took = duration(between(run.started_at, run.finished_at, now));
  const words = `${cellName(run.cell)}, seed ${run.seed}: ${run.state}, ${took}`;
  return (
    <li style={{ left: `${Math.max(0, x(from))}%`, width: `${Math.max(0.4, x(to) - Math.max(0, x(from)))}%` }}>
      <a href={`#/runs/${run.id}`} class={`bar-of ${TONES[run.state] ?? "busy"}`} title={words}>
        <span class="sr">{words}</span>
        <span aria-hidden="true">{cellName(run.cell)}</span>
      </a>
    </li>
  );
}
