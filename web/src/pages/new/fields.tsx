// The fields that most experiments need; each shows the mistakes at its place in the document.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { count } from "../../format";
import { usePoll } from "../../poll";
import type { Dataset, Page, Queue } from "../../schemas";
import { at, type Document, MODELS, modelOf, seedsOf, seedsText, withModel, withValue } from "./document";

const LIST_S = 30;

export interface Mistake {
  pointer: string;
  detail: string;
}

export interface FieldsProps {
  document: Document;
  mistakes: Mistake[];
  onChange: (document: Document) => void;
}

export function Fields({ document, mistakes, onChange }: FieldsProps) {
  const set = (pointer: string, value: unknown) => onChange(withValue(document, pointer, value));
  return (
    <>
      <Field label="Name" pointer="/name" mistakes={mistakes}>
        {(state) => (
          <input
            {...state}
            value={textAt(document, "/name")}
            maxLength={200}
            autocomplete="off"
            onInput={(event) => set("/name", event.currentTarget.value)}
          />
        )}
      </Field>
      <DatasetField document={document} mistakes={mistakes} onChange={onChange} />
      <SeedsField document={document} mistakes={mistakes} onChange={onChange} />
      <fieldset class="choices">
        <legend>Text model</legend>
        {MODELS.map(({ kind, title, text }) => (
          <label key={kind} class="choice">
            <input type="radio" name="model" checked={modelOf(document) === kind} onChange={() => onChange(withModel(document, kind))} />
            <span>
              {title}
              <small class="quiet">{text}</small>
            </span>
          </label>
        ))}
      </fieldset>
      {modelOf(document) !== "scratch" && (
        <Field label="Checkpoint" pointer="/transformer/model/checkpoint" mistakes={mistakes}>
          {(state) => (
            <input
              {...state}
              value={textAt(document, "/transformer/model/checkpoint")}
              onInput={(event) => set("/transformer/model/checkpoint", event.currentTarget.value || null)}
            />
          )}
        </Field>
      )}
      <div class="row">
        <Field label="Fusion" pointer="/policy/fusion" mistakes={mistakes}>
          {(state) => (
            <select {...state} value={textAt(document, "/policy/fusion") || "auto"} onChange={(event) => set("/policy/fusion", event.currentTarget.value)}>
              <option value="auto">Where the rule asks for it</option>
              <option value="always">Always, to measure it</option>
              <option value="never">Never</option>
            </select>
          )}
        </Field>
        <Field label="Gate: mean F1 above" pointer="/policy/gate_f1" mistakes={mistakes}>
          {(state) => (
            <input
              {...state}
              type="number"
              min={0}
              max={1}
              step="any"
              value={textAt(document, "/policy/gate_f1") || "0.85"}
              onInput={(event) => set("/policy/gate_f1", numberOf(event.currentTarget.value))}
            />
          )}
        </Field>
        <QueueField document={document} mistakes={mistakes} onChange={onChange} />
      </div>
    </>
  );
}

/** Pointers that have a field of their own: mistakes elsewhere are shown at the whole document. */
export function hasField(pointer: string): boolean {
  return ["/name", "/dataset", "/seeds", "/policy/fusion", "/policy/gate_f1", "/queue", "/transformer/model/checkpoint"].some(
    (field) => isAt(pointer, field),
  );
}

function isAt(pointer: string, field: string): boolean {
  return pointer === field || pointer.startsWith(`${field}/`);
}

interface FieldProps {
  label: string;
  pointer: string;
  mistakes: Mistake[];
  hint?: string;
  children: (state: { id: string; "aria-invalid": boolean; "aria-describedby": string }) => ComponentChildren;
}

function Field({ label, pointer, mistakes, hint, children }: FieldProps) {
  const id = `field${pointer.replaceAll("/", "-")}`;
  const found = mistakes.filter((mistake) => isAt(mistake.pointer, pointer));
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-invalid": found.length > 0, "aria-describedby": `${id}-said` })}
      <p id={`${id}-said`} class={found.length > 0 ? "said mistake" : "said quiet"}>
        {found.length > 0 ? found.map(({ detail }) => detail).join("; ") : hint}
      </p>
    </div>
  );
}

function DatasetField({ document, mistakes, onChange }: FieldsProps) {
  const { value: page } = usePoll<Page<Dataset>>("/v1/datasets?limit=500", () => false, LIST_S);
  const found = (page?.items ?? []).filter(({ evaluation, state }) => evaluation === null && state !== "failed");
  const chosen = textAt(document, "/dataset");
  const hint = page && found.length === 0 ? "None yet: cellgate dataset add functions.jsonl --name mine --wait" : undefined;
  return (
    <Field label="Data set" pointer="/dataset" mistakes={mistakes} hint={hint}>
      {(state) => (
        <select {...state} value={chosen} onChange={(event) => onChange(withValue(document, "/dataset", event.currentTarget.value))}>
          <option value="">Choose one</option>
          {chosen && !found.some(({ id }) => id === chosen) && <option value={chosen}>{chosen}</option>}
          {found.map(({ id, name, version, state: how, summary }) => (
            <option key={id} value={id}>
              {name}
              {version > 1 ? `@${version}` : ""}
              {summary ? `, ${count(summary.rows)} functions` : `, ${how}`}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function SeedsField({ document, mistakes, onChange }: FieldsProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const wrong = typed !== null && seedsOf(typed) === null;
  const own = { pointer: "/seeds", detail: "expected whole numbers, such as 0, 1, 2 or 0-4" };

  function onInput(text: string): void {
    setTyped(text);
    const seeds = seedsOf(text);
    if (seeds !== null) onChange(withValue(document, "/seeds", seeds));
  }

  return (
    <Field
      label="Seeds"
      pointer="/seeds"
      mistakes={wrong ? [own] : mistakes}
      hint="Each model is trained once per seed; three show a spread, five make the interval firmer."
    >
      {(state) => (
        <input
          {...state}
          value={typed ?? seedsText(document)}
          inputMode="numeric"
          autocomplete="off"
          onInput={(event) => onInput(event.currentTarget.value)}
          onBlur={() => !wrong && setTyped(null)}
        />
      )}
    </Field>
  );
}

function QueueField({ document, mistakes, onChange }: FieldsProps) {
  const { value: queues } = usePoll<Queue[]>("/v1/queues", () => false, LIST_S);
  const wanted = textAt(document, "/queue") || "cpu";
  const known = queues?.find(({ name }) => name === wanted);
  const free = known?.free_slots ?? 0;
  const served = free > 0 ? `${free} free ${free === 1 ? "slot" : "slots"}` : "Served; every slot is taken";
  const hint = queues === null ? undefined : (known?.workers ?? 0) > 0 ? served : "No worker serves it now";
  return (
    <Field label="Queue" pointer="/queue" mistakes={mistakes} hint={hint}>
      {(state) => (
        <>
          <input
            {...state}
            value={wanted}
            list="queues-known"
            autocomplete="off"
            onInput={(event) => onChange(withValue(document, "/queue", event.currentTarget.value))}
          />
          <datalist id="queues-known">
            {queues?.map(({ name }) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

function textAt(document: Document, pointer: string): string {
  const found = at(document, pointer);
  return typeof found === "string" || typeof found === "number" ? String(found) : "";
}

function numberOf(text: string): number | undefined {
  const value = Number(text);
  return text.trim() === "" || !Number.isFinite(value) ? undefined : value;
}
