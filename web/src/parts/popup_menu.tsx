import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** A button that opens a box below it; a press elsewhere or Escape closes it. */
export function PopupMenu({ title, children }: { title: string; children: ComponentChildren }) {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      if (event.target instanceof Node && menu.current?.contains(event.target)) return;
      menu.current?.removeAttribute("open");
    };
    window.addEventListener("pointerdown", close);
    return () => window.removeEventListener("pointerdown", close);
  }, []);

  function onKey(event: KeyboardEvent): void {
    if (event.key !== "Escape" || !menu.current?.open) return;
    menu.current.removeAttribute("open");
    menu.current.querySelector("summary")?.focus();
    event.preventDefault();
  }

  return (
    <details class="menu-of" ref={menu} onKeyDown={onKey}>
      <summary class="button">{title}</summary>
      <div class="popup">{children}</div>
    </details>
  );
}
