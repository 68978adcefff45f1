// A new experiment: a short form, or a clone of another; what it will take stands beside it before it starts.

import { useEffect, useRef, useState } from "preact/hooks";
import { type Away, newKey, read, type Refused, send } from "../api";
import { Trouble } from "../parts/state";
import { may, useWhoami } from "../me";
import { go, goToRun, useQuery, useTitle } from "../router";
import type { Experiment, Preflight } from "../schemas";
import { Advanced } from "./new/advanced";
import { Checks, preflightOf, useChecks } from "./new/checks";
import { type Document, emptyDocument } from "./new/document";
import { Fields, hasField, type Mistake } from "./new/fields";

export function NewPage() {
  const [query] = useQuery();
  const from = query.get("from");
  const [document, setDocument] = useState<Document | null>(from ? null : emptyDocument(query.get("dataset") ?? ""));
  const [trouble, setTrouble] = useState<string | null>(null);
  useTitle(from ? "Clone" : "New");
  useEffect(() => {
    if (from === null) return;
    void read<Experiment>(`/v1/experiments/${encodeURIComponent(from)}`).then((answer) => {
      if (answer.kind === "fresh") setDocument(cloneOf(answer.value));
      else if (answer.kind !== "same") setTrouble(answer.detail);
    });
  }, [from]);
  if (trouble) return <Trouble text={trouble} />;
  return (
    <>
      <div class="page-head">
        <h1>{from ? "Clone and change" : "New experiment"}</h1>
        <p class="quiet">
          {from ? (
            <>
              All settings of <a href={`#/experiments/${from}`}>the other one</a>; change what the new one is to ask.
            </>
          ) : (
            "One question: which model to ship for a data set."
          )}
        </p>
      </div>
      {document ? <Form document={document} onChange={setDocument} /> : <p class="quiet">Loading…</p>}
    </>
  );
}

function cloneOf({ name, dataset, labels, spec }: Experiment): Document {
  const copy: Document = { name: `${name}, changed`.slice(0, 200), dataset, ...spec };
  return Object.keys(labels).length > 0 ? { ...copy, labels } : copy;
}

function Form({ document, onChange }: { document: Document; onChange: (document: Document) => void }) {
  const { value: me } = useWhoami();
  const checked = useChecks(document);
  const [open, setOpen] = useState(false);
  const [refused, setRefused] = useState<Refused | Away | null>(null);
  const [busy, setBusy] = useState(false);
  const key = useRef(newKey());
  const wrong = refused ?? checked.refused;
  const mistakes = wrong?.kind === "refused" ? placed(wrong.errors) : [];
  const elsewhere = mistakes.filter(({ pointer }) => !hasField(pointer));

  function change(now: Document): void {
    setRefused(null);
    key.current = newKey();
    onChange(now);
  }

  async function start(path: string, body: Document): Promise<Experiment | Preflight | null> {
    setBusy(true);
    const answer = await send<Experiment | Preflight>("POST", path, { body, key: key.current });
    setBusy(false);
    if (answer.kind === "done") return answer.value;
    setRefused(answer);
    if (answer.kind === "refused" && answer.errors.some((mistake) => !hasField(mistake.pointer))) setOpen(true);
    return null;
  }

  async function onSubmit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const made = await start("/v1/experiments", document);
    if (made && "id" in made) go(`/experiments/${made.id}`);
    else focusFirstMistake();
  }

  async function onTry(): Promise<void> {
    const made = await start("/v1/preflights", preflightOf(document, "smoke"));
    const run = made && "job" in made ? made.job?.runs[0] : undefined;
    if (run) goToRun(run.id);
  }

  return (
    <div class="new">
      <form class="card" noValidate onSubmit={(event) => void onSubmit(event)}>
        <Fields document={document} mistakes={mistakes} onChange={change} />
        <Advanced document={document} open={open} onToggle={setOpen} onEdit={change} />
        <div role="alert" class="mistake">
          {refused && elsewhere.length === 0 && mistakes.length === 0 && <p>Not started: {refused.detail}</p>}
          {elsewhere.length > 0 && (
            <ul>
              {elsewhere.map(({ pointer, detail }) => (
                <li key={pointer + detail}>
                  <code>{pointer || "the whole request"}</code> {detail}
                </li>
              ))}
            </ul>
          )}
        </div>
        {may(me, "make") ? (
          <div class="buttons">
            <button type="submit" class="primary" disabled={busy}>
              Start the experiment
            </button>
            <button type="button" disabled={busy || !document["dataset"]} onClick={() => void onTry()}>
              Try one real batch first
            </button>
          </div>
        ) : (
          me && <p class="quiet">This token only reads: one with the scope submit starts experiments.</p>
        )}
      </form>
      <Checks found={checked} chosen={Boolean(document["dataset"])} />
    </div>
  );
}

/** The pointers of a body's mistakes without what JSON pointers of a URI begin with. */
function placed(errors: Mistake[]): Mistake[] {
  return errors.map(({ pointer, detail }) => ({ pointer: pointer.replace(/^#/, ""), detail }));
}

function focusFirstMistake(): void {
  requestAnimationFrame(() => window.document.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
}
