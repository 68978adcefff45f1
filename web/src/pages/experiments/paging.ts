// The pages of the list that were read so far. The first one is followed live; the others are read as one scrolls.

import { useEffect, useReducer } from "preact/hooks";
import { read } from "../../api";
import { type Polled, useLive } from "../../poll";
import type { ExperimentSummary, Page } from "../../schemas";

const MOST_KEPT = 8;
/** Of every page but the first, which is read whenever something changes. */
const LARGE = 500;

type Found = Page<ExperimentSummary>;

interface Kept {
  items: ExperimentSummary[];
  next: string | null;
  reading: boolean;
}

// Of the last views: who comes back finds the rows where they were.
const kept = new Map<string, Kept>();

export interface Listed extends Pick<Polled<Found>, "trouble"> {
  /** Null before the first page. */
  items: ExperimentSummary[] | null;
  /** How many there are on all pages; 10,000 may be more. */
  total: number;
  /** Whether there is nothing more to be read. */
  whole: boolean;
}

/**
 * Read the list of a path.
 *
 * @param path Of its first page.
 * @param upTo How many rows are wanted.
 */
export function useListed(path: string, upTo: number): Listed {
  const [, show] = useReducer((count: number) => count + 1, 0);
  const { value, trouble } = useLive<Found>(path);
  const list = keptOf(path);
  useEffect(() => {
    if (value === null) return;
    Object.assign(list, withFirstPage(list, value));
    show(undefined);
  }, [value]);
  const missing = list.next !== null && list.items.length < upTo;
  useEffect(() => {
    if (!missing || list.reading) return;
    void readNext(path, list).then(() => show(undefined));
  });
  const items = value === null ? null : list.items.length > 0 ? list.items : value.items;
  const whole = list.next === null;
  return { items, total: whole ? (items?.length ?? 0) : (value?.total ?? list.items.length), whole, trouble };
}

function keptOf(path: string): Kept {
  const found = kept.get(path) ?? { items: [], next: null, reading: false };
  kept.delete(path);
  kept.set(path, found);
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(oldest);
  }
  return found;
}

async function readNext(path: string, list: Kept): Promise<void> {
  const { next } = list;
  list.reading = true;
  try {
    const answer = await read<Found>(`${path.replace(/limit=\d+/, `limit=${LARGE}`)}&after=${encodeURIComponent(next ?? "")}`);
    // The first page may have begun the list anew meanwhile.
    if (answer.kind !== "fresh" || list.next !== next) return;
    list.items = [...list.items, ...without(answer.value.items, list.items)];
    list.next = answer.value.next;
  } finally {
    list.reading = false;
  }
}

/** Put a newer first page in place of the rows that it stands for; without an overlap the list begins anew. */
export function withFirstPage(list: Pick<Kept, "items" | "next">, page: Found): Pick<Kept, "items" | "next"> {
  const last = page.items.at(-1);
  const end = last === undefined || page.next === null ? -1 : list.items.findIndex(({ id }) => id === last.id);
  if (end < 0) return { items: page.items, next: page.next };
  const rest = without(list.items.slice(end + 1), page.items);
  return { items: [...page.items, ...rest], next: rest.length > 0 ? list.next : page.next };
}

function without(items: ExperimentSummary[], others: ExperimentSummary[]): ExperimentSummary[] {
  const known = new Set(others.map(({ id }) => id));
  return items.filter(({ id }) => !known.has(id));
}
