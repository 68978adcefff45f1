// Which rows of a long list stand in the window; all rows have one height, so that nothing needs to be measured.

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";

const AROUND = 12;

export interface Rows {
  /** The first row that is drawn, and the one after the last. */
  start: number;
  end: number;
}

/**
 * Follow the window over a list.
 *
 * @param list Element whose top is the top of the first row.
 * @param count Number of rows.
 * @param height Of a row, in pixels.
 */
export function useRowsInWindow(list: RefObject<HTMLElement | null>, count: number, height: number): Rows {
  const [rows, setRows] = useState<Rows>({ start: 0, end: Math.ceil(window.innerHeight / height) + AROUND });

  function follow(): void {
    const top = list.current?.getBoundingClientRect().top ?? 0;
    const first = Math.floor(-top / height);
    const last = Math.ceil((window.innerHeight - top) / height);
    const start = Math.max(0, first - AROUND);
    const end = last + AROUND;
    // In steps: a row that comes into the window is drawn already.
    setRows((was) => (Math.abs(was.start - start) < AROUND / 2 && Math.abs(was.end - end) < AROUND / 2 ? was : { start, end }));
  }

  useLayoutEffect(follow, [count, height]);
  useEffect(() => {
    window.addEventListener("scroll", follow, { passive: true });
    window.addEventListener("resize", follow);
    return () => {
      window.removeEventListener("scroll", follow);
      window.removeEventListener("resize", follow);
    };
  }, [height]);
  return { start: Math.min(rows.start, Math.max(0, count - 1)), end: Math.min(rows.end, count) };
}

/** Whether a media query is true now. */
export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const onChange = () => setMatches(list.matches);
    list.addEventListener("change", onChange);
    return () => list.removeEventListener("change", onChange);
  }, [query]);
  return matches;
}
