import { useNavigate } from "@tanstack/react-router";
import { Search, X } from "lucide-react";
import { visible } from "../text/index.ts";
import { type FleetRow, type FleetSearch, sortNames } from "./fleet-search.ts";
import styles from "./fleet.module.css";

interface FleetFiltersProps {
  readonly search: FleetSearch;
  readonly rows: readonly FleetRow[];
  /** A table is sorted by its heads. */
  readonly canSort: boolean;
}

const states = { CREATING: "Starting", READY: "Ready", STOPPED: "Stopped", ERROR: "Failed", DESTROYED: "Destroyed" };
const sortLabels = {
  created: "Newest first",
  name: "By name",
  state: "By state",
  owner: "By owner",
  idle: "By idle time",
};
const figureLabels = { cpu: "By CPUs", memory: "By memory", disk: "By disk", cost: "By cost" };
const labels = { ...sortLabels, ...figureLabels };

/** Chooses which runners are shown. The choice is part of the address. */
export function FleetFilters({ search, rows, canSort }: FleetFiltersProps) {
  const navigate = useNavigate({ from: "/fleet" });
  const update = (change: FleetSearch) =>
    void navigate({ search: (previous) => ({ ...previous, ...change }), replace: true });
  const { text, state, owner, sort } = search;
  const owners = [...new Set(rows.flatMap(({ runner }) => runner.owner?.username ?? []))].toSorted();
  const isFiltered = [text, state, owner].some((value) => value !== undefined);
  return (
    <div className={styles.filters} role="search">
      <label className={styles.search}>
        <Search size={16} aria-hidden />
        <input
          type="search"
          aria-label="Search runners"
          placeholder="Search"
          value={text ?? ""}
          onChange={({ target }) => update({ text: target.value || undefined })}
        />
      </label>
      <select
        aria-label="State"
        value={state ?? ""}
        onChange={({ target }) => update({ state: (target.value || undefined) as FleetSearch["state"] })}
      >
        <option value="">State</option>
        {Object.entries(states).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
      <select
        aria-label="Owner"
        value={owner ?? ""}
        onChange={({ target }) => update({ owner: target.value || undefined })}
      >
        <option value="">Owner</option>
        {owners.map((name) => (
          <option key={name} value={name}>
            {visible(name)}
          </option>
        ))}
      </select>
      {canSort && (
        <select
          aria-label="Order"
          value={sort ?? "created"}
          onChange={({ target }) => update({ sort: target.value as FleetSearch["sort"], order: undefined })}
        >
          {sortNames.map((name) => (
            <option key={name} value={name}>
              {labels[name]}
            </option>
          ))}
        </select>
      )}
      {isFiltered && (
        <button type="button" onClick={() => update({ text: undefined, state: undefined, owner: undefined })}>
          <X size={14} aria-hidden /> Clear
        </button>
      )}
    </div>
  );
}
