import { useEffect, useState } from "preact/hooks";
import { type Answer, read } from "../../api";

const EVERY_S = 10;

/**
 * Read several paths, and again while any of them is not final.
 *
 * @param paths Of one component's life always equally many; null reads nothing.
 * @returns What was read of each; null where nothing has been, or it was refused.
 */
export function useAll<T>(paths: (string | null)[], done: (value: T) => boolean): (T | null)[] {
  const [values, setValues] = useState<(T | null)[]>(() => paths.map(() => null));
  useEffect(() => {
    const abort = new AbortController();
    const final = new Set<number>();
    const etags = new Map<number, string | null>();
    let timer: number | undefined;

    async function readAll(): Promise<void> {
      for (const [place, path] of paths.entries()) {
        if (path === null || final.has(place)) continue;
        const answer: Answer<T> = await read<T>(path, { etag: etags.get(place) ?? null, signal: abort.signal });
        if (answer.kind === "refused") final.add(place);
        if (answer.kind !== "fresh") continue;
        const { value } = answer;
        etags.set(place, answer.etag);
        if (done(value)) final.add(place);
        setValues((was) => was.map((one, index) => (index === place ? value : one)));
      }
      const open = paths.some((path, place) => path !== null && !final.has(place));
      if (open) timer = window.setTimeout(loop, 1000 * EVERY_S);
    }

    function loop(): void {
      if (document.hidden) timer = window.setTimeout(loop, 1000 * EVERY_S);
      else readAll().catch(() => undefined);
    }

    loop();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [paths.join()]);
  return values;
}
