// The functions of a data set, by split, label, weakness, project and name; each with its source and graph.

import { useState } from "preact/hooks";
import { FunctionCard } from "../../code/function_card";
import { count } from "../../format";
import { usePoll } from "../../poll";
import { useQuery } from "../../router";
import type { Dataset, FunctionRow, Page } from "../../schemas";
import { Pages } from "../experiment/errors_tab";

const PAGE = 50;
const TYPED_MS = 300;
const FILTERS = ["q", "split", "label", "cwe", "project"] as const;

export function Functions({ dataset }: { dataset: Dataset }) {
  const [query, change] = useQuery();
  const [after, setAfter] = useState<string[]>([]);
  const wanted = new URLSearchParams({ limit: String(PAGE) });
  for (const name of FILTERS) {
    const value = query.get(name);
    if (value) wanted.set(name, value);
  }
  const last = after.at(-1);
  if (last !== undefined) wanted.set("after", last);
  const ready = dataset.state === "ready";
  const { value, trouble } = usePoll<Page<FunctionRow>>(ready ? `/v1/datasets/${dataset.id}/functions?${wanted}` : null, () => true);
  const open = query.get("function");
  const choose = (changes: Record<string, string | null>) => {
    setAfter([]);
    change(changes);
  };
  return (
    <>
      <section class="card" aria-labelledby="functions">
        <div class="head">
          <h2 id="functions">Functions</h2>
          <Filters query={query} splits={Object.keys(dataset.summary?.splits ?? {})} onChange={choose} />
        </div>
        {value ? (
          <List items={value.items} opened={open} onOpen={(row) => change({ function: String(row) }, "push")} />
        ) : (
          <p class="quiet tall">{ready ? (trouble ?? "Loading…") : "They can be read once the data set is ready."}</p>
        )}
        <Pages
          onBack={after.length > 0 ? () => setAfter(after.slice(0, -1)) : null}
          onNext={value?.next ? () => setAfter([...after, value.next as string]) : null}
        />
      </section>
      {open !== null && /^\d+$/.test(open) && (
        <FunctionCard key={open} dataset={dataset.id} row={Number(open)} onClose={() => change({ function: null })} />
      )}
    </>
  );
}

interface FiltersProps {
  query: URLSearchParams;
  splits: string[];
  onChange: (changes: Record<string, string | null>) => void;
}

function Filters({ query, splits, onChange }: FiltersProps) {
  let timer: number | undefined;
  const typed = (name: string) => (event: { currentTarget: HTMLInputElement }) => {
    const { value } = event.currentTarget;
    window.clearTimeout(timer);
    timer = window.setTimeout(() => onChange({ [name]: value.trim() || null }), TYPED_MS);
  };
  return (
    <div class="filters" role="search">
      <input type="search" aria-label="Name or id" placeholder="Name or id" defaultValue={query.get("q") ?? ""} onInput={typed("q")} />
      <select aria-label="Split" value={query.get("split") ?? ""} onChange={(event) => onChange({ split: event.currentTarget.value || null })}>
        <option value="">All splits</option>
        {splits.map((split) => (
          <option key={split} value={split}>
            {split}
          </option>
        ))}
      </select>
      <select aria-label="Label" value={query.get("label") ?? ""} onChange={(event) => onChange({ label: event.currentTarget.value || null })}>
        <option value="">Both labels</option>
        <option value="1">Vulnerable</option>
        <option value="0">Safe</option>
      </select>
      <input aria-label="Weakness" placeholder="CWE-787" defaultValue={query.get("cwe") ?? ""} onInput={typed("cwe")} />
      <input aria-label="Project" placeholder="Project" defaultValue={query.get("project") ?? ""} onInput={typed("project")} />
    </div>
  );
}

interface ListProps {
  items: FunctionRow[];
  opened: string | null;
  onOpen: (row: number) => void;
}

function List({ items, opened, onOpen }: ListProps) {
  if (items.length === 0) return <p class="quiet tall">No function is like that.</p>;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Functions">
      <table class="functions">
        <thead>
          <tr>
            <th scope="col" class="number">
              Row
            </th>
            <th scope="col">Function</th>
            <th scope="col">Split</th>
            <th scope="col">Is</th>
            <th scope="col">Weakness</th>
            <th scope="col">Project</th>
            <th scope="col" class="number">
              Lines
            </th>
            <th scope="col" class="number">
              Tokens
            </th>
            <th scope="col">Graph</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={item.row} class={String(item.row) === opened ? "opened" : undefined}>
              <td class="number quiet">{item.row}</td>
              <th scope="row">
                <button type="button" class="bare link" onClick={() => onOpen(item.row)}>
                  <code>{item.name ?? item.id}</code>
                </button>
              </th>
              <td>{item.split}</td>
              <td class={item.label === 1 ? "bad" : undefined}>{item.label === 1 ? "vulnerable" : "safe"}</td>
              <td>{item.cwe ?? "–"}</td>
              <td>{item.project ?? "–"}</td>
              <td class="number">{count(item.lines)}</td>
              <td class="number">{count(item.tokens)}</td>
              <td>{item.graph_quality.replace("_", " ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
