// Which rows of the list stand in the window. All rows have one height, so that none needs to be measured.

import { observeWindowOffset, observeWindowRect, Virtualizer, windowScroll } from "@tanstack/virtual-core";
import type { RefObject } from "preact";
import { useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";

const AROUND = 12;
/** Rows come and go in groups of so many: not every step of a scroll draws anew. */
const STEP = 8;

/**
 * Return the first row that is drawn, and the one after the last.
 *
 * @param list Element whose top is the top of the first row.
 * @param count Number of rows.
 * @param height Of a row, in pixels.
 */
export function useRowsInWindow(list: RefObject<HTMLElement | null>, count: number, height: number): [number, number] {
  const [, show] = useReducer((shown: number) => shown + 1, 0);
  const [top, setTop] = useState(0);
  const drawn = useRef("");
  const options = {
    count,
    getScrollElement: () => window,
    estimateSize: () => height,
    observeElementRect: observeWindowRect,
    observeElementOffset: observeWindowOffset,
    scrollToFn: windowScroll,
    scrollMargin: top,
    overscan: AROUND,
    onChange: (changed: Virtualizer<Window, Element>) => {
      if (rangeOf(changed).join() !== drawn.current) show(undefined);
    },
  };
  const [virtual] = useState(() => new Virtualizer<Window, Element>(options));
  virtual.setOptions(options);
  useLayoutEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  useLayoutEffect(() => setTop((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY), [count, height]);
  useLayoutEffect(() => virtual.measure(), [height]);
  const range = rangeOf(virtual);
  drawn.current = range.join();
  return range;
}

function rangeOf(virtual: Virtualizer<Window, Element>): [number, number] {
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const end = (items.at(-1)?.index ?? -1) + 1;
  return [Math.floor(first / STEP) * STEP, Math.min(virtual.options.count, Math.ceil(end / STEP) * STEP)];
}
