// A run's output as lines, read piece by piece: only what is new is asked for.

import { useEffect, useState } from "preact/hooks";
import { read } from "../../api";
import type { LogPieces } from "../../schemas";

const EVERY_S = 2;
const PIECES = 500;
/** Older lines are let go: the whole output is one click away as a file. */
const MOST_LINES = 50_000;

export interface Output {
  lines: string[];
  /** Lines before the first that is held. */
  dropped: number;
  /** Whether all that there is has been read once. */
  read: boolean;
}

const NOTHING: Output = { lines: [], dropped: 0, read: false };

/**
 * Return a run's output, and read on while it goes on.
 *
 * @param path Of the run; null reads nothing.
 */
export function useOutput(path: string | null): Output {
  const [output, setOutput] = useState<Output>(NOTHING);
  useEffect(() => {
    setOutput(NOTHING);
    if (path === null) return undefined;
    const abort = new AbortController();
    let after: string | null = null;
    let timer: number | undefined;
    let busy = false;

    async function readOn(): Promise<void> {
      window.clearTimeout(timer);
      if (document.hidden || busy) return;
      busy = true;
      const page = `${path}/logs?limit=${PIECES}${after === null ? "" : `&after=${after}`}`;
      const answer = await read<LogPieces>(page, { signal: abort.signal, accept: "application/json" }).catch(() => null);
      busy = false;
      if (answer === null) return;
      if (answer.kind !== "fresh") {
        timer = window.setTimeout(() => void readOn(), 1000 * EVERY_S);
        return;
      }
      const { chunks, next, ended } = answer.value;
      after = next ?? after;
      setOutput((was) => extended(was, chunks.map((chunk) => chunk.text).join(""), chunks.length < PIECES));
      if (!ended) timer = window.setTimeout(() => void readOn(), chunks.length < PIECES ? 1000 * EVERY_S : 0);
    }

    const onVisible = () => void readOn();
    onVisible();
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [path]);
  return output;
}

/** The last line may go on: what is new is joined to it. */
function extended({ lines, dropped, read: before }: Output, text: string, read: boolean): Output {
  if (text === "") return { lines, dropped, read: before || read };
  const [first = "", ...others] = text.split("\n");
  const last = lines.at(-1) ?? "";
  const all = [...lines.slice(0, -1), last + first, ...others];
  const over = Math.max(0, all.length - MOST_LINES);
  return { lines: all.slice(over), dropped: dropped + over, read: before || read };
}
