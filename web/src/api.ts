// Requests to the API: ETags, time limits, and messages for a server that does not answer. The browser sends the session's
// cookie by itself.

import { readJson, visible } from "./visible";

/** Longest time for an answer to come, in seconds. */
const TIMEOUT_S = 10;
/** The same beyond the time that the server was asked to wait; together with HOLD_S of poller.ts below 12 s. */
const LATE_S = 4;

export type Answer<T> =
  | { kind: "fresh"; value: T; text: string; etag: string | null; retryAfterS: number | null }
  | { kind: "same"; etag: string | null; retryAfterS: number | null }
  | Refused
  | Away;

export interface Refused {
  kind: "refused";
  status: number;
  code: string;
  detail: string;
  /** What exactly is wrong, and where in the request. */
  errors: { pointer: string; detail: string }[];
  retryAfterS: number | null;
}

export interface Away {
  kind: "away";
  detail: string;
}

export interface Reading {
  /** Names what is already held. */
  etag?: string | null;
  /** What was answered last: the same again is no news, with or without an ETag. */
  held?: string | null;
  /** Seconds for which the server holds its answer back while nothing changes. */
  waitS?: number;
  /** Longest time for the answer in seconds, where the usual one is too short. */
  limitS?: number;
  /** Media type that is asked for, where the server has several. */
  accept?: string;
  signal?: AbortSignal;
}

export type Done<T> = { kind: "done"; value: T; etag: string | null } | Refused | Away;

export interface Sending {
  /** Sent as JSON. */
  body?: unknown;
  /** Content type of the body, where it is not plain JSON. */
  type?: string;
  /** The same key for the same request: however often a POST is sent, it is done once. */
  key?: string;
  /** ETag of the version that the user has seen: a newer one is not overwritten. */
  ifMatch?: string;
}

/**
 * Read a path.
 *
 * @throws The signal's reason, when it was aborted.
 */
export async function read<T>(
  path: string,
  { etag = null, held = null, waitS = 0, limitS, accept, signal }: Reading = {},
): Promise<Answer<T>> {
  const url = waitS > 0 ? `${path}${path.includes("?") ? "&" : "?"}wait=${waitS}` : path;
  const headers: Record<string, string> = etag ? { "If-None-Match": etag } : {};
  if (accept) headers["Accept"] = accept;
  const longestS = limitS ?? (waitS > 0 ? waitS + LATE_S : TIMEOUT_S);
  return ask<Answer<T>>(url, { headers, cache: "no-store" }, longestS, signal, async (response) => {
    const tagged = { etag: response.headers.get("ETag"), retryAfterS: seconds(response.headers.get("Retry-After")) };
    if (response.status === 304) return { kind: "same", ...tagged };
    if (!response.ok) return refusal(response);
    const text = await response.text();
    if (text === held) return { kind: "same", ...tagged };
    return { kind: "fresh", value: content<T>(response, text), text, ...tagged };
  });
}

/** Send a request that changes something, and return the resource that the server answers with. */
export async function send<T>(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  { body, type = "application/json", key, ifMatch }: Sending = {},
): Promise<Done<T>> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["Content-Type"] = type;
  if (key !== undefined) headers["Idempotency-Key"] = key;
  if (ifMatch !== undefined) headers["If-Match"] = ifMatch;
  const request = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
  return ask<Done<T>>(path, request, TIMEOUT_S, undefined, async (response) => {
    if (!response.ok) return refusal(response);
    const value = response.status === 204 ? (undefined as T) : content<T>(response, await response.text());
    return { kind: "done", value, etag: response.headers.get("ETag") };
  });
}

/** Send a POST without a body; `key` as in `Sending`. */
export function act<T>(path: string, key: string): Promise<Done<T>> {
  return send<T>("POST", path, { key });
}

/** Save what lies at a path as a file; returns what went wrong, null when nothing did. */
export async function save(path: string, name: string): Promise<string | null> {
  const found = await ask<Refused | Away | Blob>(path, { cache: "no-store" }, TIMEOUT_S, undefined, (response, noLimit) => {
    if (!response.ok) return refusal(response);
    // A file may be large.
    noLimit();
    return response.blob();
  });
  if (!(found instanceof Blob)) return found.detail;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(found);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
  return null;
}

/** A key that no other request has; `crypto.randomUUID` is missing where the page came over plain HTTP. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function ask<A>(
  url: string,
  request: RequestInit,
  limitS: number,
  signal: AbortSignal | undefined,
  understand: (response: Response, noLimit: () => void) => Promise<A>,
): Promise<A | Away> {
  const limit = new AbortController();
  const timer = window.setTimeout(() => limit.abort(), 1000 * limitS);
  const noLimit = () => window.clearTimeout(timer);
  const end = signal ? AbortSignal.any([signal, limit.signal]) : limit.signal;
  try {
    const response = await fetch(url, { ...request, signal: end });
    if (response.status >= 502 && !isProblem(response)) return away(`the server answers ${response.status}`);
    return await understand(response, noLimit);
  } catch (error) {
    if (signal?.aborted) throw error;
    return away(limit.signal.aborted ? `no answer within ${limitS} s` : "no answer from the server");
  } finally {
    noLimit();
  }
}

function away(detail: string): Away {
  return { kind: "away", detail };
}

// A busy service explains itself; a proxy before a stopped one does not.
function isProblem(response: Response): boolean {
  return response.headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
}

function content<T>(response: Response, text: string): T {
  const isText = response.headers.get("Content-Type")?.startsWith("text/plain");
  return (isText ? visible(text) : readJson(text)) as T;
}

async function refusal(response: Response): Promise<Refused> {
  const { status } = response;
  const retryAfterS = seconds(response.headers.get("Retry-After"));
  if (!isProblem(response)) {
    return { kind: "refused", status, code: "", detail: `the server answered ${status}`, errors: [], retryAfterS };
  }
  const problem = readJson(await response.text()) as Partial<Refused> & { title?: string };
  const { code = "", detail = problem.title ?? "", errors = [] } = problem;
  return { kind: "refused", status, code, detail, errors, retryAfterS };
}

function seconds(header: string | null): number | null {
  const value = header === null ? NaN : Number(header);
  return Number.isFinite(value) ? value : null;
}
