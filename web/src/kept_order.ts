// Lists that stay still while somebody looks at them.

import { useEffect, useRef } from "preact/hooks";

/**
 * The items in the order in which they were first shown: what is new comes last, and no change of state moves a row.
 * Who looks away and comes back finds the order in which they were given.
 */
export function useKeptOrder<T extends { id: string }>(items: T[]): T[] {
  const places = useRef(new Map<string, number>());
  useEffect(() => {
    const forget = () => {
      if (document.hidden) places.current.clear();
    };
    document.addEventListener("visibilitychange", forget);
    return () => document.removeEventListener("visibilitychange", forget);
  }, []);
  for (const { id } of items) if (!places.current.has(id)) places.current.set(id, places.current.size);
  const placeOf = ({ id }: T) => places.current.get(id) ?? 0;
  return [...items].sort((one, other) => placeOf(one) - placeOf(other));
}
