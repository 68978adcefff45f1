// A form's request: whether it is on its way, what came of it, or why it was refused, every mistake with its place.

import { useRef, useState } from "preact/hooks";
import { type Away, newKey, type Refused, send as sendTo } from "../api";
import { pollNow } from "../poll";

export interface Sender<T> {
  busy: boolean;
  value: T | null;
  trouble: Refused | Away | null;
  send: (method: "POST" | "PATCH" | "PUT" | "DELETE", path: string, body: unknown) => Promise<T | null>;
}

/**
 * Send a form's request, once however often it has to be repeated.
 *
 * @param shownBy Paths that show what it changes; they are read again afterwards.
 */
export function useSend<T>(...shownBy: string[]): Sender<T> {
  const [state, setState] = useState<Omit<Sender<T>, "send">>({ busy: false, value: null, trouble: null });
  const key = useRef<string | null>(null);

  async function send(method: "POST" | "PATCH" | "PUT" | "DELETE", path: string, body: unknown): Promise<T | null> {
    setState({ busy: true, value: null, trouble: null });
    // Without an answer the request is repeated with the same key: it takes effect once.
    key.current ??= newKey();
    const answer = await sendTo<T>(method, path, { body, ...(method === "POST" ? { key: key.current } : {}) });
    if (answer.kind !== "away") {
      key.current = null;
      await Promise.all(shownBy.map(pollNow));
    }
    const value = answer.kind === "done" ? answer.value : null;
    setState({ busy: false, value, trouble: answer.kind === "done" ? null : answer });
    return value;
  }

  return { ...state, send };
}

/** Why it was not done. */
export function Refusal({ of }: { of: Refused | Away | null }) {
  return (
    <div role="alert" class="refusal">
      {of?.kind === "away" && <p>Not done: {of.detail}. Asking again does it once.</p>}
      {of?.kind === "refused" && (
        <>
          <p>Not done: {of.detail}</p>
          {of.errors.length > 0 && (
            <ul>
              {of.errors.map(({ pointer, detail }) => (
                <li key={pointer + detail}>
                  <code>{pointer}</code> {detail}
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </div>
  );
}
