import { type ConnectionState, useConnection } from "../api/index.ts";
import styles from "./shell.module.css";

const texts: Readonly<Record<ConnectionState, string>> = {
  connecting: "connecting",
  live: "live",
  broken: "no connection",
  "logged-out": "logged out",
};

/** Says on every page whether what it shows is live. */
export function ConnectionStatus() {
  const state = useConnection();
  if (state === undefined) return null;
  return (
    <output className={styles.connection} data-state={state}>
      <span>{texts[state]}</span>
      {state === "logged-out" && (
        <>
          : <a href={window.location.href}>log in again</a>
        </>
      )}
    </output>
  );
}
