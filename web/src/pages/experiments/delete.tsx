// Deleting experiments: first what would go is counted, then it goes.

import { useEffect, useRef, useState } from "preact/hooks";
import { type Away, type Refused, send } from "../../api";
import { bytes } from "../../format";
import { Why } from "../../parts/actions";
import { Name } from "../../parts/name";
import type { Deletion, ExperimentSummary } from "../../schemas";

export interface DeleteProps {
  item: ExperimentSummary;
  onDone: () => void;
  onClose: () => void;
}

export function Delete({ item, onDone, onClose }: DeleteProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const no = useRef<HTMLButtonElement>(null);
  const [cascade, setCascade] = useState(false);
  const [plan, setPlan] = useState<Deletion | null>(null);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | Away | null>(null);
  const path = `/v1/experiments/${item.id}?cascade=${cascade}`;
  useEffect(() => {
    dialog.current?.showModal();
    no.current?.focus();
  }, []);
  useEffect(() => {
    void send<Deletion>("DELETE", `${path}&dry_run=true`).then((answer) => {
      setPlan(answer.kind === "done" ? answer.value : null);
      setTrouble(answer.kind === "done" ? null : answer);
    });
  }, [path]);

  async function onYes(): Promise<void> {
    setBusy(true);
    const answer = await send<Deletion>("DELETE", path);
    setBusy(false);
    if (answer.kind !== "done") return setTrouble(answer);
    onDone();
    return onClose();
  }

  return (
    <dialog ref={dialog} class="delete" aria-labelledby="delete" onClose={onClose}>
      <h2 id="delete">Delete this experiment?</h2>
      <p>
        <Name text={item.name} />
      </p>
      <p aria-live="polite" class="plan">
        {plan ? `${counted(plan)} would go, for good.` : trouble ? "" : "Counting what would go…"}
      </p>
      <div role="alert">{trouble && <Why trouble={trouble} />}</div>
      {trouble?.kind === "refused" && trouble.status === 409 && !cascade && (
        <button type="button" onClick={() => setCascade(true)}>
          Count with what depends on it
        </button>
      )}
      <div class="buttons">
        <button type="button" class="danger" disabled={busy || plan === null} onClick={() => void onYes()}>
          Delete
        </button>
        <button type="button" ref={no} onClick={() => dialog.current?.close()}>
          Keep it
        </button>
      </div>
    </dialog>
  );
}

function counted({ counts, size_bytes }: Deletion): string {
  const parts = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}${count === 1 ? "" : "s"}`);
  return `${parts.join(", ")}${size_bytes == null ? "" : `, ${bytes(size_bytes)}`}`;
}
