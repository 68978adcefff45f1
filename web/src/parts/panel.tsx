import type { ComponentChildren } from "preact";

export interface PanelProps {
  id: string;
  title: string;
  /** How many things are in it; null while that is not known. */
  count?: number | null;
  /** Whether a count above 0 is a call to act. */
  loud?: boolean;
  more?: { href: string; text: string };
  children: ComponentChildren;
}

/** A box of a fixed place and height that scrolls by itself: what changes in it moves nothing outside. */
export function Panel({ id, title, count, loud = false, more, children }: PanelProps) {
  return (
    <section class={`card panel panel-${id}`} aria-labelledby={id}>
      <div class="panel-head">
        <h2 id={id}>{title}</h2>
        {count != null && count > 0 && <span class={loud ? "count loud" : "count"}>{count}</span>}
        {more && <a href={more.href}>{more.text}</a>}
      </div>
      <div class="panel-body" tabIndex={0} role="group" aria-labelledby={id}>
        {children}
      </div>
    </section>
  );
}
