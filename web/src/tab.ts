// The browser's tab: what the page shows, how many things need a person, and whether something runs.

const MOST_COUNTED = 9;
let name: string | null = null;
let needYou = 0;
let running = 0;

/** Name what the page shows. */
export function showName(text: string | null): void {
  name = text;
  show();
}

/** Show how many things need a person, and whether experiments run. */
export function showCounts(needing: number, atWork: number): void {
  needYou = needing;
  running = atWork;
  show();
}

function show(): void {
  document.title = `${needYou > 0 ? `(${needYou}) ` : ""}${name ? `${name} · ` : ""}Cellgate`;
  const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  const href = `/static/favicon${suffix()}.svg`;
  if (icon && icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

/** Icons are files: the content security policy refuses pictures that a script makes. */
function suffix(): string {
  if (needYou > 0) return needYou > MOST_COUNTED ? "-many" : `-${needYou}`;
  return running > 0 ? "-running" : "";
}
