import { formatError } from "../api/index.ts";

/** What a page shows that could not be loaded. */
export function Failure({ error, reset }: { error: unknown; reset: () => void }) {
  const { message, next } = formatError(error);
  return (
    <main role="alert">
      <p>{message}</p>
      <p>{next}</p>
      <button onClick={reset}>Try again</button>
    </main>
  );
}
