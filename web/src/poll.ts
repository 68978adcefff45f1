// Polling that is quick while something happens, slow when it has ended or nobody looks, and patient when nobody answers.

import { useEffect, useRef, useState } from "preact/hooks";
import { type Answer, read } from "./api";

const QUICK_S = 1;
const ENDED_S = 30;
const HIDDEN_S = 20;
const AWAY_S = 3;

export interface Polled<T> {
  /** The last value that was read; null before the first one. */
  value: T | null;
  /** Why there is no newer one, as text. */
  trouble: string | null;
  /** HTTP status of a refusal, else null. */
  status: number | null;
  /** The problem's stable code. */
  code: string | null;
}

const NOTHING: Polled<never> = { value: null, trouble: null, status: null, code: null };

type Listener = (away: string | null) => void;
const listeners = new Set<Listener>();

/** Hear when the server goes away or comes back. */
export function onConnection(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function reportConnection(away: string | null): void {
  for (const listener of listeners) listener(away);
}

const polls = new Map<string, () => Promise<void>>();

/** Read a polled path at once, and wait for the answer. */
export async function pollNow(path: string): Promise<void> {
  await polls.get(path)?.();
}

/**
 * Poll a path for as long as the component lives.
 *
 * @param path What to read; null reads nothing.
 * @param done Whether a value is final, so that it is polled rarely.
 * @param endedS Seconds between polls of a final value without Retry-After: a list may still grow.
 * @param version The resource's version, if known from elsewhere: the path is read at once when it changes.
 */
export function usePoll<T>(
  path: string | null,
  done: (value: T) => boolean = () => false,
  endedS = ENDED_S,
  version: string | null = null,
): Polled<T> {
  const [state, setState] = useState<Polled<T>>(NOTHING);
  const latest = useRef(done);
  latest.current = done;
  useEffect(() => {
    setState(NOTHING);
    if (path === null) return undefined;
    return poll<T>(path, (value) => latest.current(value), endedS, setState);
  }, [path]);
  const known = useRef(version);
  useEffect(() => {
    if (path !== null && known.current !== null && known.current !== version) void pollNow(path);
    known.current = version;
  }, [version]);
  return state;
}

function poll<T>(
  path: string,
  done: (value: T) => boolean,
  endedS: number,
  set: (update: (was: Polled<T>) => Polled<T>) => void,
) {
  const abort = new AbortController();
  let etag: string | null = null;
  let ended = false;
  let busy = false;
  let timer: number | undefined;
  let pending = Promise.resolve();

  async function pollOnce(): Promise<void> {
    let answer: Answer<T>;
    window.clearTimeout(timer);
    busy = true;
    try {
      answer = await read<T>(path, etag, abort.signal);
    } catch {
      return;
    } finally {
      busy = false;
    }
    if (answer.kind === "fresh") {
      etag = answer.etag;
      ended = done(answer.value);
      const { value } = answer;
      set(() => ({ value, trouble: null, status: null, code: null }));
    } else if (answer.kind === "refused") {
      const { detail, status, code } = answer;
      set((was) => ({ ...was, trouble: detail, status, code }));
    }
    reportConnection(answer.kind === "away" ? answer.detail : null);
    timer = window.setTimeout(again, 1000 * pause(answer, ended ? endedS : QUICK_S));
  }

  // One after the other: what is on its way may have been answered before the change that is to be seen.
  function again(): Promise<void> {
    pending = pending.then(pollOnce);
    return pending;
  }

  function onVisible(): void {
    if (!document.hidden && !busy) void again();
  }

  void again();
  polls.set(path, again);
  document.addEventListener("visibilitychange", onVisible);
  return () => {
    if (polls.get(path) === again) polls.delete(path);
    abort.abort();
    window.clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisible);
  };
}

function pause<T>(answer: Answer<T>, usualS: number): number {
  if (answer.kind === "away") return AWAY_S;
  const advised = answer.kind === "refused" ? AWAY_S : (answer.retryAfterS ?? usualS);
  return document.hidden ? Math.max(advised, HIDDEN_S) : advised;
}
