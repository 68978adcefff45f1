// Reads from the API and POSTs to it: ETags, when to poll again, and messages for a server that does not answer.

import { readJson, visible } from "./visible";

const TOKEN = "cellgate-token";

export type Answer<T> =
  | { kind: "fresh"; value: T; etag: string | null; retryAfterS: number | null }
  | { kind: "same"; retryAfterS: number | null }
  | Refused
  | Away;

export interface Refused {
  kind: "refused";
  status: number;
  code: string;
  detail: string;
  /** What exactly is wrong, and where in the request. */
  errors: { pointer: string; detail: string }[];
}

export interface Away {
  kind: "away";
  detail: string;
}

/** The token that this tab was given, if any. */
export function token(): string | null {
  return sessionStorage.getItem(TOKEN);
}

/** Keep a token for as long as this tab lives. */
export function keepToken(value: string): void {
  sessionStorage.setItem(TOKEN, value);
}

/** Read a path; `etag` names what is already held. */
export async function read<T>(path: string, etag: string | null, signal: AbortSignal): Promise<Answer<T>> {
  const headers = signedIn();
  if (etag) headers["If-None-Match"] = etag;
  let response: Response;
  try {
    response = await fetch(path, { headers, signal, cache: "no-store" });
  } catch (error) {
    if (signal.aborted) throw error;
    return { kind: "away", detail: "no answer from the server" };
  }
  const retryAfterS = seconds(response.headers.get("Retry-After"));
  if (response.status === 304) return { kind: "same", retryAfterS };
  if (response.status >= 502) return { kind: "away", detail: `the server answers ${response.status}` };
  if (!response.ok) return refusal(response);
  const isText = response.headers.get("Content-Type")?.startsWith("text/plain");
  const value = (isText ? visible(await response.text()) : await readJson(response)) as T;
  return { kind: "fresh", value, etag: response.headers.get("ETag"), retryAfterS };
}

/**
 * Send a POST, and return the resource that the server answers with.
 *
 * @param key The same key for the same request: however often it is sent, it is done once.
 */
export async function act<T>(path: string, key: string): Promise<{ kind: "done"; value: T } | Refused | Away> {
  let response: Response;
  try {
    response = await fetch(path, { method: "POST", headers: { ...signedIn(), "Idempotency-Key": key } });
  } catch {
    return { kind: "away", detail: "no answer from the server" };
  }
  return response.ok ? { kind: "done", value: (await readJson(response)) as T } : refusal(response);
}

/** Save what lies at a path as a file; returns what went wrong, null when nothing did. */
export async function save(path: string, name: string): Promise<string | null> {
  let response: Response;
  try {
    response = await fetch(path, { headers: signedIn(), cache: "no-store" });
  } catch {
    return "no answer from the server";
  }
  if (!response.ok) return (await refusal(response)).detail;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
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

function signedIn(): Record<string, string> {
  const held = token();
  return held ? { Authorization: `Bearer ${held}` } : {};
}

async function refusal(response: Response): Promise<Refused> {
  const { status } = response;
  try {
    const problem = (await readJson(response)) as Partial<Refused> & { title?: string };
    const { code = "", detail = problem.title ?? "", errors = [] } = problem;
    return { kind: "refused", status, code, detail, errors };
  } catch {
    return { kind: "refused", status, code: "", detail: `the server answered ${status}`, errors: [] };
  }
}

function seconds(header: string | null): number | null {
  const value = header === null ? NaN : Number(header);
  return Number.isFinite(value) ? value : null;
}
