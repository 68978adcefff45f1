// What is shown of the list: search, filters, groups, columns, saved views.

import { useEffect, useRef, useState } from "preact/hooks";
import { SEARCH } from "../../keys";
import { PopupMenu } from "../../parts/popup_menu";
import { usePoll } from "../../poll";
import type { Dataset, Page } from "../../schemas";
import { COLUMNS, isFiltered, SHOWN, TITLES, type View } from "./view";
import { Views } from "./views";

const TYPED_MS = 200;
const DATASETS_S = 60;

export interface ToolbarProps {
  view: View;
  query: URLSearchParams;
  labelKeys: string[];
  change: (changes: Record<string, string | null>) => void;
}

export function Toolbar({ view, query, labelKeys, change }: ToolbarProps) {
  return (
    <div class="filters" role="search" aria-label="Experiments">
      <TypedField
        id={SEARCH}
        label="Search by name or id"
        placeholder="Search by name or id  ( / )"
        value={view.search}
        onType={(q) => change({ q })}
      />
      <label>
        <span class="sr">Outcome</span>
        <select value={view.show} onChange={(event) => change({ show: event.currentTarget.value })}>
          <option value="">All outcomes</option>
          {SHOWN.map(({ name, text }) => (
            <option key={name} value={name}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <DatasetChoice value={view.dataset} onChoose={(dataset) => change({ dataset })} />
      <TypedField id="label" label="Label" placeholder="label:value" value={view.label} onType={(label) => change({ label })} />
      <TypedField id="owner" label="Owner" placeholder="Owner" value={view.owner} onType={(owner) => change({ owner })} />
      <label>
        <span class="sr">Group</span>
        <select value={view.group} onChange={(event) => change({ group: event.currentTarget.value })}>
          <option value="">No groups</option>
          <option value="dataset">By data set</option>
          {groupKeys(view, labelKeys).map((key) => (
            <option key={key} value={`label:${key}`}>
              By label {key}
            </option>
          ))}
        </select>
      </label>
      <Columns view={view} change={change} />
      <Views query={query} />
      {isFiltered(view) && (
        <button
          type="button"
          class="bare clear"
          onClick={() => change({ q: null, show: null, dataset: null, label: null, owner: null, archived: null })}
        >
          Clear
        </button>
      )}
    </div>
  );
}

/** The chosen key too, where no experiment that was read has it. */
function groupKeys(view: View, found: string[]): string[] {
  const chosen = view.group.startsWith("label:") ? view.group.slice("label:".length) : null;
  return chosen === null || found.includes(chosen) ? found : [chosen, ...found];
}

function DatasetChoice({ value, onChoose }: { value: string; onChoose: (id: string) => void }) {
  const { value: page } = usePoll<Page<Dataset>>("/v1/datasets?limit=500", () => true, DATASETS_S);
  const found = page?.items ?? [];
  return (
    <label>
      <span class="sr">Data set</span>
      <select value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
        <option value="">All data sets</option>
        {value && !found.some(({ id }) => id === value) && <option value={value}>{value}</option>}
        {found.map(({ id, name, version }) => (
          <option key={id} value={id}>
            {name}
            {version > 1 ? `@${version}` : ""}
          </option>
        ))}
      </select>
    </label>
  );
}

interface TypedProps {
  id: string;
  label: string;
  placeholder: string;
  value: string;
  onType: (value: string) => void;
}

/** A field whose value is taken once nobody types any more. */
function TypedField({ id, label, placeholder, value, onType }: TypedProps) {
  const [typed, setTyped] = useState(value);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  return (
    <input
      id={id}
      type="search"
      aria-label={label}
      placeholder={placeholder}
      value={typed}
      maxLength={200}
      autocomplete="off"
      spellcheck={false}
      onInput={(event) => {
        const { value: now } = event.currentTarget;
        setTyped(now);
        window.clearTimeout(timer.current);
        timer.current = window.setTimeout(() => onType(now.trim()), TYPED_MS);
      }}
    />
  );
}

function Columns({ view, change }: Pick<ToolbarProps, "view" | "change">) {
  function toggle(column: string): void {
    const hidden = new Set(view.hidden);
    if (!hidden.delete(column)) hidden.add(column);
    change({ hide: [...hidden].join() });
  }
  return (
    <PopupMenu title="Columns">
      {COLUMNS.map((column) => (
        <label key={column}>
          <input type="checkbox" checked={!view.hidden.has(column)} onChange={() => toggle(column)} />
          {TITLES[column]}
        </label>
      ))}
      <label>
        <input
          type="checkbox"
          checked={view.archived}
          onChange={() => change({ archived: view.archived ? null : "true" })}
        />
        Archived ones instead
      </label>
    </PopupMenu>
  );
}
