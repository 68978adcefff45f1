// Rows of a box that scrolls, of which only those in sight are drawn.

import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import type { RefObject } from "preact";
import { useLayoutEffect, useReducer, useState } from "preact/hooks";

const AROUND = 20;

/**
 * Return which rows to draw, and where.
 *
 * @param box The element that scrolls.
 * @param count Rows.
 * @param size Height of a row in pixels, of a measured one until it is drawn.
 * @param measured Whether rows have heights of their own: they are then given `measureElement` as `ref`.
 */
export function useVirtual(
  box: RefObject<HTMLElement | null>,
  count: number,
  size: number,
  measured: boolean,
): Virtualizer<HTMLElement, Element> {
  const [, show] = useReducer((shown: number) => shown + 1, 0);
  const options = {
    count,
    getScrollElement: () => box.current,
    estimateSize: () => size,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    overscan: AROUND,
    onChange: () => show(undefined),
  };
  const [virtual] = useState(() => new Virtualizer<HTMLElement, Element>(options));
  virtual.setOptions(options);
  useLayoutEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  useLayoutEffect(() => virtual.measure(), [measured]);
  return virtual;
}
