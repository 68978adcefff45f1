// Tabs of a page: links, so that each has an address, Back leads to the one before, and a new window can show another.

import { useQuery } from "../router";

export interface TabsProps<T extends string> {
  /** Path of the page, without the tab. */
  path: string;
  name: string;
  tabs: { tab: T; label: string; note?: string }[];
  shown: T;
}

export function Tabs<T extends string>({ path, name, tabs, shown }: TabsProps<T>) {
  return (
    <nav class="tabs" aria-label={name}>
      {tabs.map(({ tab, label, note }) => (
        <a key={tab} href={`#${path}?tab=${tab}`} aria-current={tab === shown ? "page" : undefined}>
          {label}
          {note && <span class="note">{note}</span>}
        </a>
      ))}
    </nav>
  );
}

/** The tab that the address names; the first one where it names none that is there. */
export function useTab<T extends string>(tabs: readonly T[], otherwise: T): T {
  const [query] = useQuery();
  const wanted = query.get("tab");
  return tabs.find((tab) => tab === wanted) ?? otherwise;
}
