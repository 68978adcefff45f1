// All experiments, as a list that one can search, filter, sort, group and compare. The address holds all of it.

import { useEffect, useMemo, useState } from "preact/hooks";
import { read } from "../api";
import { Empty } from "../parts/empty";
import { Pins } from "../parts/pins";
import { Trouble } from "../parts/state";
import { count } from "../format";
import { SEARCH } from "../keys";
import { pollNow } from "../poll";
import { useQuery, useTitle } from "../router";
import type { Experiment, ExperimentSummary } from "../schemas";
import { Delete } from "./experiments/delete";
import { Edit, patch } from "./experiments/edit";
import { labelKeys, rowsOf } from "./experiments/groups";
import { useListed } from "./experiments/paging";
import { type Doing, RowMenu } from "./experiments/row_menu";
import { Selection } from "./experiments/selection";
import { Table } from "./experiments/table";
import { Toolbar } from "./experiments/toolbar";
import { isFiltered, NEWEST_FIRST, pathOf, viewOf } from "./experiments/view";

const PAGE = 100;
/** Groups need every experiment; beyond so many they are those of the first ones. */
const MOST_GROUPED = 2000;

export function ExperimentsPage() {
  const [query, change] = useQuery();
  const view = viewOf(query);
  const path = pathOf(view, PAGE);
  const [upTo, setUpTo] = useState(PAGE);
  const { items, total, whole, trouble } = useListed(path, view.group ? MOST_GROUPED : upTo);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [menu, setMenu] = useState<{ item: ExperimentSummary; button: HTMLElement } | null>(null);
  const [doing, setDoing] = useState<{ item: ExperimentSummary; what: Doing } | null>(null);
  const rows = useMemo(() => rowsOf(items ?? [], view.group, closed), [items, view.group, closed]);
  useTitle("Experiments");
  useEffect(() => {
    if (!query.has("search")) return;
    change({ search: null });
    document.getElementById(SEARCH)?.focus();
  }, [query]);
  if (items === null && trouble) return <Trouble text={trouble} />;
  if (items?.length === 0 && !isFiltered(view)) return <Empty />;

  function toggle(id: string): void {
    const selected = view.selected.includes(id) ? view.selected.filter((other) => other !== id) : [...view.selected, id];
    change({ selected: selected.join() });
  }

  function fold(key: string): void {
    const now = new Set(closed);
    if (!now.delete(key)) now.add(key);
    setClosed(now);
  }

  async function onDo(what: Doing): Promise<void> {
    const item = menu?.item;
    setMenu(null);
    menu?.button.focus();
    if (!item) return;
    if (what === "archive") {
      await archive(item);
      await pollNow(path);
    } else {
      setDoing({ item, what });
    }
  }

  const close = () => setDoing(null);
  const refresh = () => void pollNow(path);
  return (
    <>
      <div class="page-head">
        <h1>Experiments</h1>
        <span class="quiet" role="status">
          {items === null ? "Loading…" : total === 0 ? "none match" : `${count(total)}${total >= 10_000 ? " or more" : ""}`}
          {view.group && !whole && items !== null && `, groups of the first ${count(items.length)}`}
        </span>
        <a class="button primary right" href="#/new">
          New
        </a>
      </div>
      <Pins />
      <Toolbar view={view} query={query} labelKeys={labelKeys(items ?? [])} change={change} />
      <section class="card list-card" aria-label="List" onKeyDown={(event) => event.key === "x" && selectFocused(toggle)}>
        <Table
          rows={rows}
          total={view.group ? rows.length : total}
          view={view}
          onSort={(sort) => change({ sort: sort === NEWEST_FIRST ? null : sort })}
          onSelect={toggle}
          onFold={fold}
          onMenu={(item, button) => setMenu({ item, button })}
          onReach={(row) => setUpTo((was) => Math.max(was, row))}
        />
        {items?.length === 0 && <p class="quiet none">No experiment matches.</p>}
      </section>
      <Selection ids={view.selected} onClear={() => change({ selected: null })} />
      {menu && <RowMenu {...menu} onDo={(what) => void onDo(what)} onClose={() => setMenu(null)} />}
      {doing?.what === "edit" && <Edit item={doing.item} onDone={refresh} onClose={close} />}
      {doing?.what === "delete" && <Delete item={doing.item} onDone={refresh} onClose={close} />}
    </>
  );
}

function selectFocused(toggle: (id: string) => void): void {
  const id = document.activeElement instanceof HTMLElement ? document.activeElement.dataset["id"] : undefined;
  if (id) toggle(id);
}

async function archive(item: ExperimentSummary): Promise<void> {
  const seen = await read<Experiment>(`/v1/experiments/${item.id}`);
  await patch(item.id, { archived: !item.archived }, seen.kind === "fresh" ? seen.etag : null);
}
