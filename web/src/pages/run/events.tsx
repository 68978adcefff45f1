import { clock } from "../../format";
import type { RunEvent } from "../../schemas";

const LAST_EVENTS = 200;

export function Events({ events }: { events: RunEvent[] }) {
  const newestFirst = events.slice(0, LAST_EVENTS);
  return (
    <section class="card" aria-labelledby="events">
      <h2 id="events">Events</h2>
      {events.length === 0 && <p class="quiet">Nothing has happened to it yet.</p>}
      <ol class="events" tabIndex={0} aria-label="Events, newest first">
        {newestFirst.map((event) => (
          <li key={event.id}>
            <time dateTime={event.at}>{clock(event.at)}</time>
            <span class={`kind ${event.kind}`}>{event.kind.replaceAll("_", " ")}</span>
            <span class="body">{summaryOf(event)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function summaryOf({ kind, body }: RunEvent): string {
  if (kind === "transition") return `${body["from"] ?? "new"} → ${body["to"]}${body["reason"] ? `: ${body["reason"]}` : ""}`;
  return Object.entries(body)
    .filter(([name, value]) => name !== "n" && name !== "t" && name !== "kind" && value !== null && value !== "")
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(", ");
}

