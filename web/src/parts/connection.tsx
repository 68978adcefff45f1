// A banner over the page while the server does not answer; it moves nothing.

import { useEffect, useState } from "preact/hooks";
import { useConnection } from "../connection";
import { duration } from "../format";

/** Say that the server is away, and how old what is shown is. */
export function ConnectionBanner() {
  const { away, answeredAt } = useConnection();
  return (
    <div role="status" class={away === null ? "away" : "away shown"}>
      {away !== null && (
        <>
          The server is away: {away}. {answeredAt === null ? "Nothing was read yet" : <AsOf time={answeredAt} />}; asking
          again…
        </>
      )}
    </div>
  );
}

/** "As of 12 s ago", counting; silent for screen readers, which were told when it began. */
function AsOf({ time }: { time: number }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  return (
    <>
      What you see is <span aria-live="off">as of {duration(Math.max(0, Math.round((now - time) / 1000)))} ago</span>
    </>
  );
}
