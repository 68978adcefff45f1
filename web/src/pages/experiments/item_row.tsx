// One experiment of the list: a line, a card on a phone.

import { Component, type ComponentChildren } from "preact";
import { duration, moment, shortAge } from "../../format";
import { ROW } from "../../keys";
import { Interval } from "../../parts/interval";
import { Name } from "../../parts/name";
import { Outcome } from "../../parts/outcome";
import { Strip } from "../../parts/strip";
import type { ExperimentSummary } from "../../schemas";
import type { Column } from "./view";

export interface Deeds {
  onSelect: (id: string) => void;
  onMenu: (item: ExperimentSummary, button: HTMLElement) => void;
}

interface ItemProps {
  item: ExperimentSummary;
  columns: Column[];
  at: number;
  selected: boolean;
  /** The same object for all rows and always: what it holds may change. */
  deeds: { current: Deeds };
}

/** A row that is drawn anew only when something in it has changed: a scroll moves dozens of them. */
export class ItemRow extends Component<ItemProps> {
  override shouldComponentUpdate(next: ItemProps): boolean {
    const { item, columns, at, selected } = this.props;
    return item !== next.item || at !== next.at || selected !== next.selected || columns.join() !== next.columns.join();
  }

  override render() {
    return <Cells {...this.props} />;
  }
}

function Cells({ item, columns, at, selected, deeds }: ItemProps) {
  return (
    <tr class={selected ? "item selected" : "item"} aria-rowindex={at + 2}>
      <td class="col-pick">
        <input type="checkbox" checked={selected} aria-label={`Select ${item.name}`} onChange={() => deeds.current.onSelect(item.id)} />
      </td>
      <th scope="row" class="col-name">
        <a href={`#/experiments/${item.id}`} class="plain" {...ROW} data-id={item.id}>
          <Name text={item.name} />
        </a>
        {item.note && (
          <span class="noted" title={item.note}>
            <span class="sr">Note: {item.note}</span>
          </span>
        )}
      </th>
      {columns.map((column) => (
        <td key={column} class={`col-${column}`}>
          {CELLS[column](item)}
        </td>
      ))}
      <td class="col-menu">
        <button
          type="button"
          class="bare"
          aria-haspopup="menu"
          aria-label={`More about ${item.name}`}
          onClick={(event) => deeds.current.onMenu(item, event.currentTarget)}
        >
          <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            <path d="M3 8h.01M8 8h.01M13 8h.01" stroke="currentcolor" stroke-width="2.6" stroke-linecap="round" />
          </svg>
        </button>
      </td>
    </tr>
  );
}

const CELLS: Record<Column, (item: ExperimentSummary) => ComponentChildren> = {
  outcome: (item) => <Outcome of={item} />,
  f1: (item) => <Interval f1={item.f1} gateF1={item.gate_f1} />,
  steps: (item) => <Strip of={item} />,
  dataset: (item) => <Name text={item.dataset_name} />,
  labels: (item) =>
    Object.entries(item.labels).map(([key, value]) => (
      <span key={key} class="tag" title={`${key}:${value}`}>
        {key}:{value}
      </span>
    )),
  owner: (item) => <Name text={item.owner ?? "–"} />,
  took: (item) => duration(item.took_s),
  age: (item) => <span title={moment(item.created_at)}>{shortAge(item.created_at)}</span>,
};
