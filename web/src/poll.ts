// Hooks that read paths of the API for as long as a component lives.

import { useEffect, useReducer, useRef } from "preact/hooks";
import { NOTHING, type Polled, pollNow, startPolling, stateOf } from "./poller";

export { type Polled, pollNow } from "./poller";
export { onConnection } from "./connection";

/**
 * Read the page's main resource by long polls: it is shown as soon as it changes, and the page's other resources
 * are then read again.
 *
 * @param path What to read, without `wait`; null reads nothing. Without an ETag it is polled as by `usePoll`.
 * @param done Whether a value is final; matters only without an ETag.
 */
export function useLive<T>(path: string | null, done: (value: T) => boolean = () => false): Polled<T> {
  return usePolled(path, done, true, undefined);
}

/**
 * Read a path: again when the page's main resource changes; without one, as often as the server advises.
 *
 * @param path What to read; null reads nothing.
 * @param done Whether a value is final, so that it is read rarely.
 * @param everyS Seconds between reads, whatever happens to the main resource; for what does not belong to it.
 * @param version Of the resource, if known from elsewhere: the path is read at once when it changes.
 */
export function usePoll<T>(
  path: string | null,
  done: (value: T) => boolean = () => false,
  everyS?: number,
  version: string | null = null,
): Polled<T> {
  const state = usePolled(path, done, false, everyS);
  const known = useRef(version);
  useEffect(() => {
    if (path !== null && known.current !== null && known.current !== version) void pollNow(path);
    known.current = version;
  }, [version]);
  return state;
}

/**
 * Read many paths, each as by `usePoll`.
 *
 * @param done Whether a path's value is final once it was read.
 * @returns What was read, by path.
 */
export function usePolls<T>(paths: readonly string[], done: (path: string) => boolean): Map<string, T> {
  const [, show] = useReducer((count: number) => count + 1, 0);
  const latest = useRef(done);
  latest.current = done;
  useEffect(() => {
    const stops = paths.map((path) =>
      startPolling<T>(path, { show: () => show(undefined), done: () => latest.current(path), live: false, everyS: undefined }),
    );
    return () => stops.forEach((stop) => stop());
  }, [paths.join("\n")]);
  return new Map(
    paths.flatMap((path) => {
      const { value } = stateOf<T>(path);
      return value === null ? [] : [[path, value] as const];
    }),
  );
}

function usePolled<T>(
  path: string | null,
  done: (value: T) => boolean,
  live: boolean,
  everyS: number | undefined,
): Polled<T> {
  const [, show] = useReducer((count: number) => count + 1, 0);
  const latest = useRef(done);
  latest.current = done;
  useEffect(() => {
    if (path === null) return undefined;
    return startPolling<T>(path, { show: () => show(undefined), done: (value) => latest.current(value), live, everyS });
  }, [path]);
  return path === null ? NOTHING : stateOf<T>(path);
}
