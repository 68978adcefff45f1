// Where we are: the part of the address after `#`, a path with a query. Filters, sort, tabs and selection live in the
// query, so that a link shows what its sender saw. Back returns to the place on the page and to the focused element.

import { useEffect, useRef, useState } from "preact/hooks";
import { showName } from "./tab";

export type Route =
  | { page: "now" | "experiments" | "datasets" | "cluster" | "new" | "compare" | "evaluations" }
  | { page: "experiment" | "run" | "dataset"; id: string }
  | { page: "lost"; path: string };

interface Place {
  path: string;
  query: URLSearchParams;
}

/** Where on a page a person was. */
interface Spot {
  top: number;
  /** Selector of the focused element; null: none that can be found again. */
  focus: string | null;
}

const SPOTS = "cellgate-spots";
const MOST_SPOTS = 100;
const PATIENCE_MS = 4000;
const listeners = new Set<() => void>();
let place = placeOf(location.hash);
let spots = new Map<string, Spot>(keptSpots());
let entry = nameEntry();

history.scrollRestoration = "manual";
window.addEventListener("popstate", onPopState);
window.addEventListener("pagehide", () => {
  keepSpot();
  sessionStorage.setItem(SPOTS, JSON.stringify([...spots].slice(-MOST_SPOTS)));
});
const atLoad = spots.get(entry);
if (atLoad) returnTo(atLoad);

/** The page that the address names. */
export function useRoute(): Route {
  return routeOf(usePlace().path);
}

/**
 * The query of the address, and a function that changes it.
 *
 * A parameter that is changed to null or "" is removed. `push` makes Back undo the change; else it does not.
 */
export function useQuery(): [URLSearchParams, (changes: Record<string, string | null>, how?: "push" | "replace") => void] {
  return [usePlace().query, changeQuery];
}

/** Go to a path such as `/runs/run_…`. */
export function go(path: string): void {
  location.hash = `#${path}`;
}

/** Show the page of a run. */
export function goToRun(id: string): void {
  go(`/runs/${id}`);
}

/** Name what the page shows in the browser's title. */
export function useTitle(name: string | null): void {
  useEffect(() => {
    showName(name);
    return () => showName(null);
  }, [name]);
}

function usePlace(): Place {
  const [now, setNow] = useState(place);
  useEffect(() => {
    const listener = () => setNow(place);
    listener();
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return now;
}

/** Put the focus on the content when another page is shown, so that keyboard and screen reader begin there. */
export function useFocusOnArrival(path: string): void {
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    if (!spots.has(entry)) document.getElementById("main")?.focus({ preventScroll: true });
  }, [path]);
}

function changeQuery(changes: Record<string, string | null>, how: "push" | "replace" = "replace"): void {
  const query = new URLSearchParams(place.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  // Readable where the grammar of a fragment allows it: lists are separated by commas.
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  const hash = `#${place.path}${text ? `?${text}` : ""}`;
  if (how === "push") {
    keepSpot();
    history.pushState(null, "", hash);
    entry = nameEntry();
  } else {
    history.replaceState(history.state, "", hash);
  }
  place = { path: place.path, query };
  tell();
}

function onPopState(): void {
  keepSpot();
  const was = place.path;
  place = placeOf(location.hash);
  entry = nameEntry();
  tell();
  const spot = spots.get(entry);
  if (spot) returnTo(spot);
  else if (place.path !== was) window.scrollTo(0, 0);
}

function tell(): void {
  for (const listener of listeners) listener();
}

/** The name of the current entry of the history; a new entry is given one. */
function nameEntry(): string {
  const state = history.state as { entry?: string } | null;
  if (state?.entry) return state.entry;
  const name = `${Date.now().toString(36)}.${Math.random().toString(36).slice(2)}`;
  history.replaceState({ entry: name }, "");
  return name;
}

function keepSpot(): void {
  spots.delete(entry);
  spots.set(entry, { top: window.scrollY, focus: selectorOf(document.activeElement) });
}

function keptSpots(): [string, Spot][] {
  try {
    return JSON.parse(sessionStorage.getItem(SPOTS) ?? "[]") as [string, Spot][];
  } catch {
    return [];
  }
}

function selectorOf(element: Element | null): string | null {
  if (element === null || element === document.body) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  return href ? `a[href="${CSS.escape(href)}"]` : null;
}

/** Return to a spot as soon as the page is long enough for it, unless the person has moved meanwhile. */
function returnTo({ top, focus }: Spot): void {
  const stop = new AbortController();
  const until = performance.now() + PATIENCE_MS;
  let focused = focus === null;
  for (const kind of ["wheel", "keydown", "pointerdown", "popstate"]) {
    window.addEventListener(kind, () => stop.abort(), { signal: stop.signal, passive: true });
  }
  const attempt = () => {
    if (stop.signal.aborted) return;
    window.scrollTo(0, top);
    const found = focused ? null : document.querySelector<HTMLElement>(focus ?? "");
    found?.focus({ preventScroll: true });
    focused ||= found !== null;
    if ((focused && Math.abs(window.scrollY - top) < 2) || performance.now() > until) stop.abort();
    else requestAnimationFrame(attempt);
  };
  requestAnimationFrame(attempt);
}

function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  return { path: path || "/", query: new URLSearchParams(query) };
}

function routeOf(path: string): Route {
  const [, first, second] = path.split("/");
  if (!first) return { page: "now" };
  if (first === "experiments") return second ? { page: "experiment", id: second } : { page: "experiments" };
  if (first === "datasets") return second ? { page: "dataset", id: second } : { page: "datasets" };
  if (first === "runs" && second) return { page: "run", id: second };
  if (first === "cluster" || first === "new" || first === "compare" || first === "evaluations") return { page: first };
  return { page: "lost", path };
}
