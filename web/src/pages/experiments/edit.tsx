// Name, note and labels of an experiment. A change that somebody made meanwhile is not overwritten.

import { useEffect, useRef, useState } from "preact/hooks";
import { type Away, read, type Refused, send } from "../../api";
import { Why } from "../../parts/actions";
import type { Experiment, ExperimentSummary } from "../../schemas";

const MERGE_PATCH = "application/merge-patch+json";

export interface EditProps {
  item: ExperimentSummary;
  onDone: () => void;
  onClose: () => void;
}

export function Edit({ item, onDone, onClose }: EditProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [etag, setEtag] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | Away | null>(null);
  useEffect(() => {
    dialog.current?.showModal();
    void read<Experiment>(`/v1/experiments/${item.id}`).then((answer) => {
      if (answer.kind === "fresh") setEtag(answer.etag);
      else if (answer.kind !== "same") setTrouble(answer);
    });
  }, []);

  async function onSubmit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const body = changesOf(item, String(given.get("name")), String(given.get("note")), String(given.get("labels")));
    if (Object.keys(body).length === 0) return dialog.current?.close();
    setBusy(true);
    const answer = await patch(item.id, body, etag);
    setBusy(false);
    if (answer.kind !== "done") return setTrouble(answer);
    onDone();
    return onClose();
  }

  return (
    <dialog ref={dialog} class="edit" aria-labelledby="edit" onClose={onClose}>
      <h2 id="edit">Rename, note, labels</h2>
      <form onSubmit={(event) => void onSubmit(event)}>
        <label>
          Name
          <input name="name" required maxLength={200} defaultValue={item.name} />
        </label>
        <label>
          Note
          <textarea name="note" rows={4} maxLength={10_000} defaultValue={item.note ?? ""} />
        </label>
        <label>
          Labels, each <code>key:value</code>
          <input name="labels" defaultValue={labelsText(item.labels)} placeholder="team:core, sweep:s3" />
        </label>
        <div role="alert">{trouble && <Why trouble={trouble} />}</div>
        <div class="buttons">
          <button type="submit" class="primary" disabled={busy || etag === null}>
            Save
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Leave as it is
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** Change an experiment's metadata, unless there is a newer version than the one that was seen. */
export function patch(id: string, body: object, etag: string | null) {
  return send<Experiment>("PATCH", `/v1/experiments/${id}`, { body, type: MERGE_PATCH, ifMatch: etag ?? undefined });
}

function labelsText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}:${value}`)
    .join(", ");
}

/** What the form changes, as a merge patch: a label that is gone becomes null. */
export function changesOf(item: ExperimentSummary, name: string, note: string, text: string): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  if (name.trim() !== item.name) changes["name"] = name.trim();
  if (note.trim() !== (item.note ?? "")) changes["note"] = note.trim() || null;
  const wanted = Object.fromEntries(
    text
      .split(/[\s,]+/)
      .filter(Boolean)
      .map((label) => label.split(/:(.*)/s).slice(0, 2)),
  ) as Record<string, string>;
  const labels: Record<string, string | null> = {};
  for (const [key, value = ""] of Object.entries(wanted)) if (item.labels[key] !== value) labels[key] = value;
  for (const key of Object.keys(item.labels)) if (!(key in wanted)) labels[key] = null;
  if (Object.keys(labels).length > 0) changes["labels"] = labels;
  return changes;
}
