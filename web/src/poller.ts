// One reader for each path, however many components show it; what was read last stays for who comes back to it.
//
// A page's main resource is read by long polls: the server answers when it changes. Everything else on the page is read
// again after such a change. A hidden tab asks nothing, and catches up when it is shown.

import { type Answer, read } from "./api";
import { answered, backOffS, onConnection, unanswered } from "./connection";

/** Seconds for which the server holds back the answer of a long poll; a hung one is noticed LATE_S of api.ts later. */
const HOLD_S = 7;
/** Seconds between two questions about a resource that changes all the time. */
const GAP_S = 1.5;
const QUICK_S = 1;
/** The same without an ETag: each answer is a whole one. */
const UNTAGGED_S = 4;
const ENDED_S = 30;
/** The longest pause before what has not changed lately is read again after a change of the main resource. */
const SLOWEST_S = 10;
/** Members whose change is a turning point, after which everything is read at once; all others are progress. */
const TURNING = [
  ...["state", "lifecycle", "gate_verdict", "outcome", "attempt", "superseded_by", "note", "name"],
  ...["jobs", "runs", "steps", "items", "running", "latest", "attention", "id"],
];
const REFUSED_S = 10;
const UNAUTHORIZED = 401;
const MOST_KEPT = 60;

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

export const NOTHING: Polled<never> = { value: null, trouble: null, status: null, code: null };

/** What a component wants to know of a path. */
export interface Wish<T> {
  /** Called when the state has changed. */
  show: () => void;
  /** Whether a value is final. */
  done: (value: T) => boolean;
  /** Whether it is the page's main resource. */
  live: boolean;
  /** Seconds between reads, whatever the main resource does. */
  everyS: number | undefined;
}

class Poller<T> {
  state: Polled<T> = NOTHING;
  readonly wishes = new Set<Wish<T>>();
  #etag: string | null = null;
  #text: string | null = null;
  #pauseS = 0;
  #final = false;
  #askedAt = 0;
  #readAt = 0;
  #timer: number | undefined;
  #request: AbortController | null = null;
  #held = false;
  #last = Promise.resolve();
  #queued: Promise<void> | null = null;

  constructor(readonly path: string) {}

  get live(): boolean {
    return [...this.wishes].some((wish) => wish.live);
  }

  /** Read at once, and return when that has been answered. */
  refresh(waitS = 0): Promise<void> {
    // What is on its way may have been answered before the change that is to be seen: it is read anew afterwards.
    if (this.#held) this.#request?.abort();
    this.#queued ??= this.#last.then(() => {
      this.#queued = null;
      return this.#ask(waitS);
    });
    this.#last = this.#queued;
    return this.#queued;
  }

  /** The page's main resource has changed: read this too, at once when that was a turning point. */
  follow(turned: boolean): void {
    if (this.#everyS !== undefined) return;
    if (turned) this.#pauseS = 0;
    const pauseS = this.#final ? SLOWEST_S : this.#pauseS;
    const due = turned ? 0 : this.#readAt + 1000 * pauseS;
    this.#refreshIn(Math.max(0, due - Date.now()) / 1000);
  }

  /** Ask nothing until the next `refresh`. */
  stop(): void {
    window.clearTimeout(this.#timer);
    this.#request?.abort();
  }

  /** Forget what was read. */
  forget(): void {
    this.stop();
    this.#etag = null;
    this.#text = null;
    this.#show(NOTHING);
  }

  get #everyS(): number | undefined {
    const wanted = [...this.wishes].map((wish) => wish.everyS);
    return wanted.includes(undefined) ? undefined : Math.min(...(wanted as number[]));
  }

  get #usualS(): number {
    if (this.#final) return ENDED_S;
    return this.#etag === null ? UNTAGGED_S : QUICK_S;
  }

  #refreshIn(pauseS: number, waitS = 0): void {
    window.clearTimeout(this.#timer);
    if (Number.isFinite(pauseS)) this.#timer = window.setTimeout(() => void this.refresh(waitS), 1000 * pauseS);
  }

  async #ask(waitS: number): Promise<void> {
    window.clearTimeout(this.#timer);
    if (this.wishes.size === 0 || document.hidden) return;
    const request = new AbortController();
    this.#request = request;
    this.#held = waitS > 0;
    this.#askedAt = Date.now();
    let answer: Answer<T>;
    try {
      answer = await read<T>(this.path, { etag: this.#etag, held: this.#text, waitS, signal: request.signal });
    } catch {
      return;
    } finally {
      this.#held = false;
    }
    this.#keep(answer);
    if (answer.kind !== "away") answered();
    // One slow answer of many is no server that is away.
    else if (main() === null || main() === this) unanswered(answer.detail);
    this.#goOn(answer);
  }

  #keep(answer: Answer<T>): void {
    if (answer.kind === "away") return;
    this.#readAt = Date.now();
    if (answer.kind !== "refused") this.#etag = answer.etag;
    if (answer.kind === "fresh") {
      const { value } = answer;
      const turned = turningPoints(this.state.value) !== turningPoints(value);
      this.#text = answer.text;
      this.#pauseS = 0;
      this.#show({ value, trouble: null, status: null, code: null });
      if (main() === this) followMain(this.path, turned);
    } else if (answer.kind === "refused") {
      const { detail, status, code } = answer;
      this.#show({ ...this.state, trouble: detail, status, code });
      if (status === UNAUTHORIZED && this.path !== ME) void pollers.get(ME)?.refresh();
    } else {
      this.#pauseS = Math.min(SLOWEST_S, 2 * this.#pauseS + 1);
      if (this.state.trouble !== null) this.#show({ ...this.state, trouble: null, status: null, code: null });
    }
    const { value } = this.state;
    this.#final = value !== null && [...this.wishes].every((wish) => wish.done(value));
  }

  #goOn(answer: Answer<T>): void {
    if (answer.kind === "away") {
      this.#refreshIn(main() === null || main() === this ? backOffS() : REFUSED_S);
    } else if (answer.kind === "refused") {
      // Signing in reads everything again.
      if (answer.status !== UNAUTHORIZED) this.#refreshIn(answer.retryAfterS ?? Math.max(REFUSED_S, this.#everyS ?? 0));
    } else if (main() === this && this.#etag !== null) {
      this.#refreshIn(Math.max(0, GAP_S - (Date.now() - this.#askedAt) / 1000), HOLD_S);
    } else if (this.#everyS !== undefined) {
      this.#refreshIn(this.#everyS);
    } else if (main() === null || main() === this) {
      this.#refreshIn(answer.retryAfterS ?? this.#usualS);
    } else if (!this.#final) {
      // Output grows without a new version of its run.
      this.#refreshIn(SLOWEST_S);
    }
  }

  #show(state: Polled<T>): void {
    this.state = state;
    for (const wish of this.wishes) wish.show();
  }
}

/** Who the user is; read again when an answer says that nobody is signed in. */
export const ME = "/v1/whoami";

const pollers = new Map<string, Poller<unknown>>();
const listeners = new Set<() => void>();

/** What is known of a path. */
export function stateOf<T>(path: string): Polled<T> {
  return (pollers.get(path)?.state as Polled<T> | undefined) ?? NOTHING;
}

/** Read a polled path at once, and wait for the answer. */
export async function pollNow(path: string): Promise<void> {
  await pollers.get(path)?.refresh();
}

/** Read everything that is shown at once. */
export function pollAll(): void {
  for (const poller of wanted()) void poller.refresh();
}

/** Forget what was read, and read what is shown anew: somebody else has signed in, or nobody. */
export function startOver(): void {
  for (const poller of pollers.values()) poller.forget();
  pollAll();
}

/** Poll a path until the returned function is called. */
export function startPolling<T>(path: string, wish: Wish<T>): () => void {
  const poller = (pollers.get(path) as Poller<T> | undefined) ?? new Poller<T>(path);
  // Last in its order: the first ones are forgotten first.
  pollers.delete(path);
  pollers.set(path, poller as Poller<unknown>);
  poller.wishes.add(wish);
  if (poller.wishes.size === 1) void poller.refresh();
  return () => {
    poller.wishes.delete(wish);
    if (poller.wishes.size === 0) poller.stop();
    forgetOldest();
  };
}

function forgetOldest(): void {
  for (const [path, poller] of pollers) {
    if (pollers.size <= MOST_KEPT) return;
    if (poller.wishes.size === 0) pollers.delete(path);
  }
}

function wanted(): Poller<unknown>[] {
  return [...pollers.values()].filter((poller) => poller.wishes.size > 0);
}

/** The reader of the page's main resource: the one that was asked for last. */
function main(): Poller<unknown> | null {
  return wanted().findLast((poller) => poller.live) ?? null;
}

/** Whether the page has a main resource, whose changes `onNews` tells. */
export function hasMain(): boolean {
  return main() !== null;
}

/** Hear when the page's main resource has changed; returns how to stop. */
export function onNews(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function followMain(path: string, turned: boolean): void {
  for (const listener of listeners) listener();
  for (const poller of wanted()) if (poller.path !== path) poller.follow(turned);
}

function turningPoints(value: unknown): string {
  return JSON.stringify(value, TURNING);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) for (const poller of pollers.values()) poller.stop();
  else pollAll();
});
window.addEventListener("online", pollAll);
onConnection((now, before) => {
  if (before.away !== null && now.away === null) pollAll();
});
