// Where we are: the part of the address after `#`.

import { useEffect, useState } from "preact/hooks";

export type Route =
  | { page: "experiments" }
  | { page: "experiment"; id: string }
  | { page: "run"; id: string }
  | { page: "datasets" }
  | { page: "lost"; path: string };

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const onChange = () => {
      setRoute(routeOf(location.hash));
      window.scrollTo(0, 0);
    };
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  return route;
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

function routeOf(hash: string): Route {
  const path = hash.replace(/^#/, "") || "/";
  const [, first, second] = path.split("/");
  if (!first) return { page: "experiments" };
  if (first === "experiments" && second) return { page: "experiment", id: second };
  if (first === "runs" && second) return { page: "run", id: second };
  if (first === "datasets") return { page: "datasets" };
  return { page: "lost", path };
}
