import { Component, type ReactNode } from "react";
import { Problem } from "../actions/index.ts";
import styles from "./task-data.module.css";

/** A view that cannot be shown leaves the rest of the page. */
export class PaneBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <div className={styles.failure}>
        <Problem error={error} />
        <button type="button" onClick={() => this.setState({ error: undefined })}>
          Try again
        </button>
      </div>
    );
  }
}
