// What keys do on every page: `/` searches, `?` lists the keys, `j` and `k` move through the rows.

import { useEffect, useRef } from "preact/hooks";
import { go } from "./router";

/** Marks the link of a row: `j` and `k` move between them. */
export const ROW = { "data-row": "" };
/** Id of the field that `/` goes to. */
export const SEARCH = "search";

const KEYS: [string, string][] = [
  ["/", "Search the experiments"],
  ["j", "Next row"],
  ["k", "Row before"],
  ["Enter", "Open the row"],
  ["x", "Select the row, on Experiments"],
  ["?", "This list"],
  ["Esc", "Close a menu or a question; leave the search"],
];

/** Listens to keys for as long as it lives, and shows the list of them. */
export function Keys() {
  const list = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.key === "Escape" && event.target instanceof HTMLInputElement) event.target.blur();
      if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
      const handle = handlers[event.key];
      if (!handle) return;
      event.preventDefault();
      handle(list.current);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return (
    <dialog ref={list} aria-labelledby="keys">
      <h2 id="keys">Keys</h2>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <>
            <dt key={key}>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}

const handlers: Record<string, (list: HTMLDialogElement | null) => void> = {
  "/": focusSearch,
  "?": (list) => list?.showModal(),
  j: () => moveBy(1),
  k: () => moveBy(-1),
};

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox]), select, textarea, [contenteditable]");
}

function focusSearch(): void {
  const field = document.getElementById(SEARCH);
  if (field instanceof HTMLInputElement) {
    field.focus();
    field.select();
  } else {
    go("/experiments?search=1");
  }
}

function moveBy(step: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")].filter((row) => row.offsetParent !== null);
  const active = document.activeElement;
  // From a button in a row, the row itself is where we are.
  const at = rows.findIndex((row) => row === active || (active !== null && row.closest("tr, li")?.contains(active)));
  const next = at < 0 ? rows[step > 0 ? 0 : rows.length - 1] : rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
