// The document of the first page; the header shows its count on every page.

import { useEffect } from "preact/hooks";
import { type Polled, usePoll } from "./poll";
import type { Overview } from "./schemas";
import { showCounts } from "./tab";

export const OVERVIEW = "/v1/overview";
const EVERY_S = 30;

/** What needs a person, what runs and what came out last; read rarely, for the header. */
export function useOverview(): Polled<Overview> {
  const overview = usePoll<Overview>(OVERVIEW, () => true, EVERY_S);
  const needYou = overview.value?.counts.attention ?? 0;
  const running = overview.value?.counts.running ?? 0;
  useEffect(() => showCounts(needYou, running), [needYou, running]);
  return overview;
}
