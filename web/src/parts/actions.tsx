// Buttons that send actions to the server. Polling shows their effect; a refusal is shown below them.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Action } from "../actions";
import { act, newKey, type Away, type Refused } from "../api";
import { may, type Owned, useMe } from "../me";
import { pollNow } from "../poll";

export interface ActionsProps<T> {
  /** Of what is acted on. */
  path: string;
  /** Path of the shown resource, which is read again afterwards. */
  shownBy?: string;
  /** Its name, for who does not see where the buttons stand. */
  subject: string;
  /** Its state, announced to screen readers after an action. */
  state: string;
  /** Whose it is; who may not change it sees no button. Null: the action makes a thing, which belongs to the user. */
  of: Owned | null;
  actions: Action[];
  onDone?: (action: Action, answer: T) => void;
}

export function Actions<T>({ path, shownBy = path, subject, state, of, actions, onDone }: ActionsProps<T>) {
  const me = useMe();
  const allowed = of === null ? may(me, "make") : may(me, "change", of);
  const [asking, setAsking] = useState<Action | null>(null);
  const group = useRef<HTMLDivElement>(null);
  const { busy, done, trouble, perform, forget } = usePerform<T>(path, shownBy);

  async function onYes(action: Action): Promise<void> {
    const answer = await perform(action);
    leaveQuestion();
    if (answer !== null) onDone?.(action, answer);
  }

  function onChoose(action: Action): void {
    forget();
    if (action.question === null) void onYes(action);
    else setAsking(action);
  }

  // The button that had the focus is gone then.
  function leaveQuestion(): void {
    setAsking(null);
    group.current?.focus();
  }

  return (
    <div class="actions" role="group" aria-label={`Actions on ${subject}`} tabIndex={-1} ref={group}>
      {asking && <Question action={asking} subject={subject} busy={busy} onYes={onYes} onNo={leaveQuestion} />}
      {!asking &&
        allowed &&
        actions.map((action) => (
          <button key={action.verb} type="button" class={action.verb} disabled={busy} onClick={() => onChoose(action)}>
            {action.label}
            <span class="sr"> {subject}</span>
          </button>
        ))}
      <span class="sr" role="status">
        {done && `${subject}: ${state}`}
      </span>
      <div role="alert">{trouble && <Why trouble={trouble} />}</div>
    </div>
  );
}

/** Perform one action at a time: whether it is under way, was done, or why not. */
function usePerform<T>(path: string, shownBy: string) {
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);
  const [trouble, setTrouble] = useState<Refused | Away | null>(null);
  const keys = useRef(new Map<string, string>());

  async function perform({ verb }: Action): Promise<T | null> {
    setBusy(true);
    forget();
    // Without an answer the request is repeated with the same key: it takes effect once.
    const key = keys.current.get(verb) ?? newKey();
    keys.current.set(verb, key);
    const answer = await act<T>(`${path}/${verb}`, key);
    if (answer.kind !== "away") {
      keys.current.delete(verb);
      await pollNow(shownBy);
    }
    setBusy(false);
    if (answer.kind === "done") {
      setDone(true);
      return answer.value;
    }
    setTrouble(answer);
    return null;
  }

  function forget(): void {
    setDone(false);
    setTrouble(null);
  }

  return { busy, done, trouble, perform, forget };
}

interface QuestionProps {
  action: Action;
  subject: string;
  busy: boolean;
  onYes: (action: Action) => void;
  onNo: () => void;
}

function Question({ action, subject, busy, onYes, onNo }: QuestionProps) {
  const no = useRef<HTMLButtonElement>(null);
  // The harmless one, so that Enter pressed twice does nothing.
  useEffect(() => no.current?.focus(), []);
  return (
    <div
      class="question"
      role="group"
      aria-label={action.question ?? ""}
      onKeyDown={(event) => event.key === "Escape" && !busy && onNo()}
    >
      <span>{action.question}</span>
      <button type="button" class={action.verb} disabled={busy} onClick={() => onYes(action)}>
        Yes, {action.label.toLowerCase()}
        <span class="sr"> {subject}</span>
      </button>
      <button type="button" disabled={busy} ref={no} onClick={onNo}>
        No
      </button>
    </div>
  );
}

export function Why({ trouble }: { trouble: Refused | Away }) {
  if (trouble.kind === "away") return <p>Not done: {trouble.detail}. Asking again does it once.</p>;
  return (
    <>
      <p>Not done: {trouble.detail}</p>
      {trouble.errors.length > 0 && (
        <ul>
          {trouble.errors.map(({ pointer, detail }) => (
            <li key={pointer + detail}>
              <code>{pointer}</code> {detail}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
