// What can be done with one experiment of the list.

import { useEffect, useRef } from "preact/hooks";
import { may, useMe } from "../../me";
import type { ExperimentSummary } from "../../schemas";

export type Doing = "edit" | "archive" | "delete";

export interface RowMenuProps {
  item: ExperimentSummary;
  /** The button that opened it. */
  button: HTMLElement;
  onDo: (doing: Doing) => void;
  onClose: () => void;
}

export function RowMenu({ item, button, onDo, onClose }: RowMenuProps) {
  const menu = useRef<HTMLDivElement>(null);
  const me = useMe();
  const mine = may(me, "change", { owner_id: item.owner_id ?? null });
  useEffect(() => {
    const place = button.getBoundingClientRect();
    const found = menu.current;
    if (!found) return;
    const above = place.bottom + found.offsetHeight > window.innerHeight;
    found.style.top = `${above ? place.top - found.offsetHeight : place.bottom + 2}px`;
    found.style.left = `${Math.max(8, place.right - found.offsetWidth)}px`;
    items()[0]?.focus();
    const onElsewhere = (event: Event) => {
      if (!(event.target instanceof Node) || !found.contains(event.target)) onClose();
    };
    window.addEventListener("scroll", onClose, { passive: true });
    window.addEventListener("pointerdown", onElsewhere);
    return () => {
      window.removeEventListener("scroll", onClose);
      window.removeEventListener("pointerdown", onElsewhere);
    };
  }, []);

  function items(): HTMLElement[] {
    return [...(menu.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  }

  function onKey(event: KeyboardEvent): void {
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (event.key === "ArrowDown") all[(at + 1) % all.length]?.focus();
    else if (event.key === "ArrowUp") all[(at + all.length - 1) % all.length]?.focus();
    else if (event.key === "Escape" || event.key === "Tab") {
      onClose();
      button.focus();
    } else return;
    event.preventDefault();
  }

  return (
    <div class="row-menu popup" role="menu" aria-label={item.name} ref={menu} onKeyDown={onKey}>
      <a role="menuitem" href={`#/experiments/${item.id}`}>
        Open
      </a>
      {may(me, "make") && (
        <a role="menuitem" href={`#/new?from=${item.id}`}>
          Clone and change
        </a>
      )}
      {mine && (
        <>
          <button type="button" role="menuitem" onClick={() => onDo("edit")}>
            Rename, note, labels
          </button>
          <button type="button" role="menuitem" onClick={() => onDo("archive")}>
            {item.archived ? "Take out of the archive" : "Archive"}
          </button>
          <button type="button" role="menuitem" class="bad" onClick={() => onDo("delete")}>
            Delete
          </button>
        </>
      )}
    </div>
  );
}
