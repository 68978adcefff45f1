// Experiments that a person has pinned, kept in this browser.

import { useEffect, useState } from "preact/hooks";

const KEY = "cellgate-pins";
const MOST = 12;
const listeners = new Set<() => void>();
let pins = kept();

/** The ids of the pinned experiments, the newest pin first, and a function that pins one or lets it go. */
export function usePins(): [readonly string[], (id: string) => void] {
  const [now, setNow] = useState(pins);
  useEffect(() => {
    const listener = () => setNow(pins);
    listener();
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return [now, toggle];
}

function toggle(id: string): void {
  pins = pins.includes(id) ? pins.filter((other) => other !== id) : [id, ...pins].slice(0, MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify(pins));
  } catch {
    // A browser that keeps nothing has them until the page is left.
  }
  for (const listener of listeners) listener();
}

function kept(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}
