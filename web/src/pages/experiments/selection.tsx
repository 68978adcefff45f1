/** What can be done with the selected experiments; it lies over the end of the page, so that nothing moves. */
export function Selection({ ids, onClear }: { ids: string[]; onClear: () => void }) {
  if (ids.length === 0) return null;
  return (
    <div class="selection" role="region" aria-label="Selected">
      <strong>
        {ids.length} selected
      </strong>
      {ids.length > 1 ? (
        <a class="button primary" href={`#/compare?experiments=${ids.join()}`}>
          Compare
        </a>
      ) : (
        <span class="quiet">Select another one to compare</span>
      )}
      <button type="button" onClick={onClear}>
        Clear
      </button>
    </div>
  );
}
