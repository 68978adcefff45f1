// A request that deals with something: asked about first, with what a person has to add to it.

import { useEffect, useRef, useState } from "preact/hooks";
import { type Away, newKey, type Refused, send } from "../api";
import { pollNow } from "../poll";
import type { RequestAction } from "../schemas";
import { Why } from "./actions";

export type Request = RequestAction & {
  /** What makes it necessary, in a sentence. */
  why: string;
};

export interface AskProps {
  request: Request;
  /** Path of what is shown, which is read again afterwards. */
  shownBy: string;
  onClose: () => void;
}

export function Ask({ request, shownBy, onClose }: AskProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const key = useRef(newKey());
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | Away | null>(null);
  useEffect(() => dialog.current?.showModal(), []);

  async function onSubmit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    const added = Object.fromEntries([...given].map(([field, value]) => [field, String(value)]));
    const body = { ...request.body, ...added };
    const answer = await send(request.method, request.path, {
      key: request.method === "POST" ? key.current : undefined,
      body: Object.keys(body).length > 0 || request.body != null ? body : undefined,
    });
    setBusy(false);
    if (answer.kind !== "done") {
      if (answer.kind === "refused") key.current = newKey();
      setTrouble(answer);
      return;
    }
    await pollNow(shownBy);
    onClose();
  }

  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="ask">
      <h2 id="ask">{request.label}?</h2>
      <p>{request.why}</p>
      <form onSubmit={(event) => void onSubmit(event)}>
        {(request.needs ?? []).map((field) => (
          <label key={field}>
            {field.charAt(0).toUpperCase() + field.slice(1).replaceAll("_", " ")}
            <textarea name={field} rows={3} required />
          </label>
        ))}
        <div role="alert">{trouble && <Why trouble={trouble} />}</div>
        <div class="buttons">
          <button type="submit" class="primary" disabled={busy}>
            {request.label}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Not now
          </button>
        </div>
      </form>
    </dialog>
  );
}
