export function DatasetPage({ id }: { id: string }) {
  return <h1>{id}</h1>;
}
