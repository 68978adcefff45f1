// Reading the API: ETags, when to ask again, and what to say when nobody answers.

const TOKEN = "cellgate-token";

export type Answer<T> =
  | { kind: "fresh"; value: T; etag: string | null; retryAfterS: number | null }
  | { kind: "same"; retryAfterS: number | null }
  | { kind: "refused"; status: number; code: string; detail: string }
  | { kind: "away"; detail: string };

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
  const headers: Record<string, string> = {};
  const held = token();
  if (held) headers["Authorization"] = `Bearer ${held}`;
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
  const value = (isText ? await response.text() : await response.json()) as T;
  return { kind: "fresh", value, etag: response.headers.get("ETag"), retryAfterS };
}

async function refusal<T>(response: Response): Promise<Answer<T>> {
  const { status } = response;
  try {
    const problem = (await response.json()) as { code?: string; detail?: string; title?: string };
    return { kind: "refused", status, code: problem.code ?? "", detail: problem.detail ?? problem.title ?? "" };
  } catch {
    return { kind: "refused", status, code: "", detail: `the server answered ${status}` };
  }
}

function seconds(header: string | null): number | null {
  const value = header === null ? NaN : Number(header);
  return Number.isFinite(value) ? value : null;
}
