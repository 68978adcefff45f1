import { DatasetsPage } from "./pages/datasets";
import { ExperimentPage } from "./pages/experiment";
import { ExperimentsPage } from "./pages/experiments";
import { RunPage } from "./pages/run";
import { ConnectionBanner } from "./parts/connection";
import { Workers } from "./parts/workers";
import { type Route, useRoute } from "./router";

export function App() {
  const route = useRoute();
  return (
    <>
      <a class="skip" href="#main" onClick={focusMain}>
        Skip to the content
      </a>
      <header class="bar">
        <a class="brand" href="#/">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" />
            <path d="M7 11h6l4 5 M7 21h6l4-5h8" />
          </svg>
          Cellgate
        </a>
        <nav aria-label="Pages">
          <Tab href="#/" here={route.page === "experiments" || route.page === "experiment"} label="Experiments" />
          <Tab href="#/datasets" here={route.page === "datasets"} label="Data sets" />
        </nav>
        <Workers />
      </header>
      <ConnectionBanner />
      <main id="main" tabIndex={-1}>
        <Content route={route} />
      </main>
    </>
  );
}

// The address after `#` names a page, so a link to #main must not change it.
function focusMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Tab({ href, here, label }: { href: string; here: boolean; label: string }) {
  return (
    <a href={href} aria-current={here ? "page" : undefined}>
      {label}
    </a>
  );
}

function Content({ route }: { route: Route }) {
  switch (route.page) {
    case "experiments":
      return <ExperimentsPage />;
    case "experiment":
      return <ExperimentPage key={route.id} id={route.id} />;
    case "run":
      return <RunPage key={route.id} id={route.id} />;
    case "datasets":
      return <DatasetsPage />;
    case "lost":
      return (
        <section class="card">
          <h1>Nothing is here</h1>
          <p>
            There is no page <code>{route.path}</code>. <a href="#/">All experiments</a>
          </p>
        </section>
      );
  }
}
