// What goes on only when a person acts: one sentence and its one action each.

import { useState } from "preact/hooks";
import { shortAge } from "../format";
import { ROW } from "../keys";
import { may, useMe } from "../me";
import type { Attention } from "../schemas";
import { Ask, type Request } from "./ask";
import { Command } from "./command";
import { Name } from "./name";
import { OVERVIEW } from "../overview";

const SIGNS: Record<Attention["kind"], { tone: string; path: string }> = {
  failed: { tone: "bad", path: "M5 5l6 6M11 5l-6 6" },
  dataset_failed: { tone: "bad", path: "M5 5l6 6M11 5l-6 6" },
  collapsed: { tone: "bad", path: "M3.5 4.5h2.5l2.5 7h4" },
  gate_failed: { tone: "bad", path: "M4 4v8M12 4v8M4 8h8" },
  borderline: { tone: "warn", path: "M3.5 7c1.5-1.5 3-1.5 4.5 0s3 1.5 4.5 0M3.5 10.5c1.5-1.5 3-1.5 4.5 0s3 1.5 4.5 0" },
  no_worker: { tone: "warn", path: "M8 4.5v4.5M8 11.4v.1" },
  draining: { tone: "warn", path: "M8 3.5v7M5 8l3 3 3-3" },
};

export function Attentions({ items, total }: { items: Attention[]; total: number }) {
  const [asked, setAsked] = useState<Request | null>(null);
  if (items.length === 0) {
    return <p class="quiet">Nothing. Failures, collapses, borderline answers and queues without a worker will stand here.</p>;
  }
  return (
    <>
      <ul class="attention">
        {items.map((item) => (
          <Line key={`${item.kind} ${item.experiment} ${item.run} ${item.queue} ${item.dataset}`} item={item} onAsk={setAsked} />
        ))}
      </ul>
      {total > items.length && <p class="quiet">and {total - items.length} more, once these are done</p>}
      {asked && <Ask request={asked} shownBy={OVERVIEW} onClose={() => setAsked(null)} />}
    </>
  );
}

function Line({ item, onAsk }: { item: Attention; onAsk: (request: Request) => void }) {
  const { action, sentence } = item;
  const sign = SIGNS[item.kind];
  const place = placeOf(item);
  return (
    <li>
      <svg class={`mark ${sign.tone}`} viewBox="0 0 16 16" aria-hidden="true">
        <circle class="ground" cx="8" cy="8" r="7.5" />
        <path d={sign.path} />
      </svg>
      <div class="whom">
        {place && (
          <a href={place} class="plain" {...ROW}>
            <Name text={item.name ?? item.kind.replaceAll("_", " ")} />
          </a>
        )}
        {!place && <strong>{item.queue ? `Queue ${item.queue}` : item.kind.replaceAll("_", " ")}</strong>}
        {item.since && <span class="quiet since">{shortAge(item.since)}</span>}
      </div>
      {"path" in action ? <Act item={item} request={{ ...action, why: sentence }} onAsk={onAsk} /> : <span />}
      <div class="why">
        <p title={sentence}>{sentence}</p>
        {"command" in action && <Command text={action.command} />}
      </div>
    </li>
  );
}

function Act({ item, request, onAsk }: { item: Attention; request: Request; onAsk: (request: Request) => void }) {
  const me = useMe();
  const allowed = request.scope === "admin" ? may(me, "administer") : may(me, "change", { owner_id: item.owner_id ?? null });
  if (!allowed) return <span />;
  return (
    <button type="button" onClick={() => onAsk(request)}>
      {request.label}
      <span class="sr"> {item.name}</span>
    </button>
  );
}

function placeOf({ run, experiment, dataset }: Attention): string | null {
  if (run) return `#/runs/${run}`;
  if (experiment) return `#/experiments/${experiment}`;
  return dataset ? `#/datasets/${dataset}` : null;
}
