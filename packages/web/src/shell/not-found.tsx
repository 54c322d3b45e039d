import { Link } from "@tanstack/react-router";

export function NotFound() {
  return (
    <main>
      <p>There is no page at this address.</p>
      <Link to="/">Go to the board</Link>
    </main>
  );
}
