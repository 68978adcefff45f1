// Where we are: the part of the address after `#`.

import { useEffect, useState } from "preact/hooks";

export type Place =
  | { page: "experiments" }
  | { page: "experiment"; id: string }
  | { page: "run"; id: string }
  | { page: "datasets" }
  | { page: "lost"; path: string };

export function usePlace(): Place {
  const [place, setPlace] = useState(() => placeOf(location.hash));
  useEffect(() => {
    const onChange = () => {
      setPlace(placeOf(location.hash));
      window.scrollTo(0, 0);
    };
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  return place;
}

/** Show the page of a run. */
export function goToRun(id: string): void {
  location.hash = `#/runs/${id}`;
}

/** Name what the page shows in the browser's title. */
export function useTitle(name: string | null): void {
  useEffect(() => {
    document.title = name ? `${name} · Cellgate` : "Cellgate";
    return () => {
      document.title = "Cellgate";
    };
  }, [name]);
}

function placeOf(hash: string): Place {
  const path = hash.replace(/^#/, "") || "/";
  const [, first, second] = path.split("/");
  if (!first) return { page: "experiments" };
  if (first === "experiments" && second) return { page: "experiment", id: second };
  if (first === "runs" && second) return { page: "run", id: second };
  if (first === "datasets") return { page: "datasets" };
  return { page: "lost", path };
}
