import { useNavigate } from "@tanstack/react-router";
import { Columns3, List, Search, X } from "lucide-react";
import type { ReactNode } from "react";
import { formatRepository, visible } from "../text/index.ts";
import type { BoardSearch } from "./board-search.ts";
import styles from "./board.module.css";
import type { Card } from "./store/index.ts";

export interface FilterBarProps {
  readonly search: BoardSearch;
  readonly cards: ReadonlyMap<string, Card>;
  readonly userId: string;
  readonly canSwitchView: boolean;
}

/** Chooses which tasks are shown. The choice is part of the address. */
export function FilterBar({ search, cards, userId, canSwitchView }: FilterBarProps) {
  const navigate = useNavigate({ from: "/boards/$boardId" });
  const update = (change: BoardSearch) =>
    void navigate({ search: (previous) => ({ ...previous, ...change }), replace: true });
  const agents = listValues(cards, ({ task }) => task.agent_type);
  const repositories = listValues(cards, ({ task }) => task.repository_url);
  const { view, ...filters } = search;
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  return (
    <div className={styles.filters} role="search">
      <label className={styles.search}>
        <Search size={16} aria-hidden />
        <input
          type="search"
          aria-label="Search the titles"
          placeholder="Search"
          value={search.text ?? ""}
          onChange={({ target }) => update({ text: target.value === "" ? undefined : target.value })}
        />
      </label>
      <Choice label="Agent" value={search.agent} onChange={(agent) => update({ agent })}>
        {agents.map((agent) => (
          <option key={agent} value={agent}>
            {visible(agent)}
          </option>
        ))}
      </Choice>
      <Choice label="Repository" value={search.repository} onChange={(repository) => update({ repository })}>
        {repositories.map((url) => (
          <option key={url} value={url}>
            {visible(formatRepository(url))}
          </option>
        ))}
      </Choice>
      <Choice label="Assignee" value={search.assignee} onChange={(assignee) => update({ assignee })}>
        <option value={userId}>Me</option>
        <option value="none">Unassigned</option>
      </Choice>
      {isFiltered && (
        <button
          onClick={() => update({ text: undefined, agent: undefined, repository: undefined, assignee: undefined })}
        >
          <X size={14} aria-hidden /> Clear
        </button>
      )}
      {canSwitchView && (
        <button
          className={styles.view}
          onClick={() => update({ view: view === "list" ? undefined : "list" })}
          aria-label={view === "list" ? "Show columns" : "Show a list"}
        >
          {view === "list" ? <Columns3 size={16} aria-hidden /> : <List size={16} aria-hidden />}
        </button>
      )}
    </div>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string | undefined;
  readonly onChange: (value: string | undefined) => void;
  readonly children: ReactNode;
}

function Choice({ label, value, onChange, children }: ChoiceProps) {
  return (
    <select
      aria-label={label}
      value={value ?? ""}
      data-chosen={value !== undefined}
      onChange={({ target }) => onChange(target.value === "" ? undefined : target.value)}
    >
      <option value="">{label}</option>
      {children}
    </select>
  );
}

function listValues(cards: ReadonlyMap<string, Card>, getValue: (card: Card) => string | undefined): string[] {
  const values = new Set<string>();
  for (const card of cards.values()) {
    const value = getValue(card);
    if (value !== undefined) values.add(value);
  }
  return [...values].toSorted();
}
