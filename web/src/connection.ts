// Whether the server answers. Every request of a poll reports here; the banner and the polls listen.

import { useEffect, useState } from "preact/hooks";

const LONGEST_PAUSE_S = 15;

export interface Connection {
  /** Why there is no answer, as text; null while the server answers. */
  away: string | null;
  /** When the server last answered, in milliseconds since 1970; null: not yet. */
  answeredAt: number | null;
  /** How often in a row it has not. */
  failures: number;
}

let current: Connection = { away: null, answeredAt: null, failures: 0 };
const listeners = new Set<(now: Connection, before: Connection) => void>();

export function connection(): Connection {
  return current;
}

/** Hear of every change; returns how to stop. */
export function onConnection(listener: (now: Connection, before: Connection) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The server has answered, whatever it said. */
export function answered(): void {
  change({ away: null, answeredAt: Date.now(), failures: 0 });
}

/** A request got no answer. */
export function unanswered(why: string): void {
  change({ ...current, away: why, failures: current.failures + 1 });
}

/** Seconds until the next try: 1, 2, 4, 8, 15, each a little more or less, so that pages do not come back at once. */
export function backOffS(): number {
  const pause = Math.min(2 ** Math.max(0, current.failures - 1), LONGEST_PAUSE_S);
  return pause * (0.8 + 0.4 * Math.random());
}

/** The connection, for a component that shows it. */
export function useConnection(): Connection {
  const [shown, show] = useState(current);
  useEffect(() => onConnection((now) => show(now)), []);
  return shown;
}

function change(now: Connection): void {
  const before = current;
  current = now;
  for (const listener of listeners) listener(now, before);
}
