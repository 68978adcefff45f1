import { Keys } from "./keys";
import { useWhoami } from "./me";
import { useOverview } from "./overview";
import { NowPage } from "./pages/now";
import { Account } from "./parts/account";
import { ConnectionBanner } from "./parts/connection";
import { lazily } from "./parts/lazy";
import { SignIn } from "./parts/token";
import { type Route, useFocusOnArrival, useRoute } from "./router";

// The first page comes with the frame, the others when they are first opened.
const ClusterPage = lazily(async () => (await import("./pages/cluster")).ClusterPage);
const ComparePage = lazily(async () => (await import("./pages/compare")).ComparePage);
const DatasetPage = lazily(async () => (await import("./pages/dataset")).DatasetPage);
const DatasetsPage = lazily(async () => (await import("./pages/datasets")).DatasetsPage);
const EvaluationsPage = lazily(async () => (await import("./pages/evaluations")).EvaluationsPage);
const ExperimentPage = lazily(async () => (await import("./pages/experiment")).ExperimentPage);
const ExperimentsPage = lazily(async () => (await import("./pages/experiments")).ExperimentsPage);
const NewPage = lazily(async () => (await import("./pages/new")).NewPage);
const RunPage = lazily(async () => (await import("./pages/run")).RunPage);
const UNAUTHORIZED = 401;
const PLACES: { href: string; label: string; pages: Route["page"][] }[] = [
  { href: "#/", label: "Now", pages: ["now"] },
  { href: "#/experiments", label: "Experiments", pages: ["experiments", "experiment", "run", "compare"] },
  { href: "#/datasets", label: "Data sets", pages: ["datasets", "dataset", "evaluations"] },
  { href: "#/cluster", label: "Cluster", pages: ["cluster"] },
  { href: "#/new", label: "New", pages: ["new"] },
];

export function App() {
  const { status, code, trouble } = useWhoami();
  if (status !== UNAUTHORIZED) return <Dashboard />;
  // Of who never was signed in, the server has nothing to say but that a token is missing.
  return <SignedOut reason={code === "session_ended" ? trouble : null} />;
}

function SignedOut({ reason }: { reason: string | null }) {
  return (
    <>
      <header class="bar">
        <Brand />
      </header>
      <ConnectionBanner />
      <main id="main" tabIndex={-1}>
        <SignIn reason={reason} />
      </main>
    </>
  );
}

function Brand() {
  return (
    <a class="brand" href="#/">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="7" />
        <path d="M7 11h6l4 5 M7 21h6l4-5h8" />
      </svg>
      Cellgate
    </a>
  );
}

function Dashboard() {
  const route = useRoute();
  const overview = useOverview();
  useFocusOnArrival("id" in route ? `${route.page}/${route.id}` : route.page);
  return (
    <>
      <a class="skip" href="#main" onClick={focusMain}>
        Skip to the content
      </a>
      <header class="bar">
        <Brand />
        <nav class="places" aria-label="Places">
          {PLACES.map(({ href, label, pages }) => (
            <a key={href} href={href} aria-current={pages.includes(route.page) ? "page" : undefined}>
              {label}
              {label === "Now" && <Count of={overview.value?.counts.attention ?? 0} />}
            </a>
          ))}
        </nav>
        <Account />
      </header>
      <ConnectionBanner />
      <main id="main" tabIndex={-1}>
        <Content route={route} />
      </main>
      <Keys />
    </>
  );
}

// The address after `#` names a page, so a link to #main must not change it.
function focusMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Count({ of }: { of: number }) {
  if (of === 0) return null;
  return (
    <span class="count">
      {of}
      <span class="sr"> need you</span>
    </span>
  );
}

function Content({ route }: { route: Route }) {
  switch (route.page) {
    case "now":
      return <NowPage />;
    case "experiments":
      return <ExperimentsPage />;
    case "experiment":
      return <ExperimentPage key={route.id} id={route.id} />;
    case "run":
      return <RunPage key={route.id} id={route.id} />;
    case "compare":
      return <ComparePage />;
    case "datasets":
      return <DatasetsPage />;
    case "evaluations":
      return <EvaluationsPage />;
    case "dataset":
      return <DatasetPage key={route.id} id={route.id} />;
    case "cluster":
      return <ClusterPage />;
    case "new":
      return <NewPage />;
    case "lost":
      return (
        <section class="card">
          <h1>Nothing is here</h1>
          <p>
            There is no page <code>{route.path}</code>. <a href="#/">What happens now</a>
          </p>
        </section>
      );
  }
}
