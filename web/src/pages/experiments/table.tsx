// The rows of the list: one line each, a card each on a phone.

import { useEffect, useRef } from "preact/hooks";
import { Name } from "../../parts/name";
import { Sparkline } from "../../parts/sparkline";
import { score } from "../../format";
import { useMedia } from "../../media";
import type { ExperimentSummary } from "../../schemas";
import type { Group, Row } from "./groups";
import { ItemRow } from "./item_row";
import { useRowsInWindow } from "./rows_in_window";
import { COLUMNS, type Column, SORTS, TITLES, type View } from "./view";

const LINE_HEIGHT = 36;
const CARD_HEIGHT = 112;

const PHONE = "(max-width: 640px)";
const ON_A_CARD = new Set<Column>(["outcome", "f1", "dataset", "age"]);

/** The columns that are wanted and have room; on a phone, what a card shows. */
function useColumns(hidden: ReadonlySet<string>): Column[] {
  const phone = useMedia(PHONE);
  const roomFor: Partial<Record<Column, boolean>> = {
    labels: useMedia("(min-width: 1381px)"),
    owner: useMedia("(min-width: 1181px)"),
    took: useMedia("(min-width: 1101px)"),
    steps: useMedia("(min-width: 1001px)"),
    dataset: useMedia("(min-width: 861px)"),
  };
  const hasRoom = (column: Column) => (phone ? ON_A_CARD.has(column) : (roomFor[column] ?? true));
  return COLUMNS.filter((column) => !hidden.has(column) && hasRoom(column));
}

export interface TableProps {
  rows: Row[];
  /** How many there will be once all are read. */
  total: number;
  view: View;
  onSort: (sort: string) => void;
  onSelect: (id: string) => void;
  onFold: (key: string) => void;
  onMenu: (item: ExperimentSummary, button: HTMLElement) => void;
  /** The rows from 0 to this one are wanted. */
  onReach: (row: number) => void;
}

export function Table({ rows, total, view, onSort, onSelect, onFold, onMenu, onReach }: TableProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  const height = useMedia(PHONE) ? CARD_HEIGHT : LINE_HEIGHT;
  const count = Math.max(rows.length, total);
  const [start, end] = useRowsInWindow(body, count, height);
  useEffect(() => onReach(end), [end]);
  const columns = useColumns(view.hidden);
  const deeds = useRef({ onSelect, onMenu });
  deeds.current = { onSelect, onMenu };
  const shown = rows.slice(start, end);
  const below = count - start - shown.length;
  return (
    <table class="experiments" aria-rowcount={count + 1} aria-label="Experiments">
      <thead>
        <tr aria-rowindex={1}>
          <th scope="col" class="col-pick">
            <span class="sr">Select</span>
          </th>
          <Heading of="name" title="Name" view={view} onSort={onSort} />
          {columns.map((column) => (
            <Heading key={column} of={column} title={TITLES[column]} view={view} onSort={onSort} />
          ))}
          <th scope="col" class="col-menu">
            <span class="sr">More</span>
          </th>
        </tr>
      </thead>
      <tbody ref={body}>
        {start > 0 && <Room height={start * height} />}
        {shown.map((row, index) =>
          row.kind === "group" ? (
            <GroupRow key={`group ${row.group.key}`} group={row.group} open={row.open} columns={columns.length} at={start + index} onFold={onFold} />
          ) : (
            <ItemRow
              key={row.item.id}
              item={row.item}
              columns={columns}
              at={start + index}
              selected={view.selected.includes(row.item.id)}
              deeds={deeds}
            />
          ),
        )}
        {below > 0 && <Room height={below * height} />}
      </tbody>
    </table>
  );
}

/** Room of the rows that are not drawn. */
function Room({ height }: { height: number }) {
  return (
    <tr class="room" aria-hidden="true">
      <td style={{ height: `${height}px` }} />
    </tr>
  );
}

interface HeadingProps {
  of: Column | "name";
  title: string;
  view: View;
  onSort: (sort: string) => void;
}

function Heading({ of, title, view, onSort }: HeadingProps) {
  const key = SORTS[of];
  const order = view.sort === key ? "ascending" : view.sort === `-${key}` ? "descending" : undefined;
  // Ages run against the times of creation.
  const shown = of === "age" && order ? (order === "ascending" ? "descending" : "ascending") : order;
  const next = order === "descending" || (order === undefined && of === "name") ? `${key}` : `-${key}`;
  return (
    <th scope="col" class={`col-${of}`} aria-sort={shown}>
      {key === undefined ? (
        title
      ) : (
        <button type="button" class="bare" onClick={() => onSort(next)}>
          {title}
          <span aria-hidden="true" class="arrow">
            {shown === "ascending" ? "↑" : shown === "descending" ? "↓" : ""}
          </span>
        </button>
      )}
    </th>
  );
}

interface GroupProps {
  group: Group;
  open: boolean;
  columns: number;
  at: number;
  onFold: (key: string) => void;
}

function GroupRow({ group, open, columns, at, onFold }: GroupProps) {
  const { key, items, best, climb } = group;
  return (
    <tr class="group" aria-rowindex={at + 2}>
      <th scope="rowgroup" colSpan={columns + 3}>
        <div>
          <button type="button" class="bare" aria-expanded={open} onClick={() => onFold(key)}>
            <span aria-hidden="true">{open ? "▾" : "▸"}</span>
            <Name text={key} />
          </button>
          <span class="quiet">
            {items.length} {items.length === 1 ? "experiment" : "experiments"}
          </span>
          {best?.f1 && (
            <>
              <span class="quiet best">
                best {score(best.f1.mean, 3)}:{" "}
                <a href={`#/experiments/${best.id}`}>
                  <Name text={best.name} />
                </a>
              </span>
              <Sparkline points={climb} gate={best.gate_f1} name={key} what="Best F1 so far" of="experiment" />
            </>
          )}
        </div>
      </th>
    </tr>
  );
}
