/** Text that a person chose: on one line, cut where it is too long, its direction kept apart from the page's. */
export function Name({ text }: { text: string }) {
  return (
    <bdi class="name" title={text}>
      {text}
    </bdi>
  );
}
