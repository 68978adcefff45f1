// A part of the page whose code is fetched when it is first shown; its place is reserved until then.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/**
 * Return a component that shows what `load` brings.
 *
 * @param place Class of what holds its place until then: what follows it must not be pushed down in sight.
 */
export function lazily<P extends object>(load: () => Promise<ComponentType<P>>, place = "tall"): ComponentType<P> {
  let known: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const [found, setFound] = useState(() => known);
    const [lost, setLost] = useState(false);
    useEffect(() => {
      if (found) return;
      load().then(
        (component) => {
          known = component;
          setFound(() => component);
        },
        () => setLost(true),
      );
    }, []);
    if (lost) {
      return (
        <p class="pad" role="alert">
          This part of the page could not be fetched. Load the page again: the server may have a newer one.
        </p>
      );
    }
    if (!found) return <p class={`quiet pad ${place}`}>Loading…</p>;
    const Found = found;
    return <Found {...props} />;
  };
}
