import { type BoardSearch, matchesSearch } from "./board-search.ts";
import { columns, type ColumnId, getColumnId } from "./columns.ts";
import type { Card } from "./store/index.ts";

/** Returns the cards of each column, the most important first and then the newest. */
export function groupCards(
  cards: ReadonlyMap<string, Card>,
  search: BoardSearch,
): ReadonlyMap<ColumnId, readonly Card[]> {
  const groups = new Map<ColumnId, Card[]>(columns.map(({ id }) => [id, []]));
  for (const card of cards.values())
    if (matchesSearch(card.task, search)) groups.get(getColumnId(card.task.state))?.push(card);
  for (const group of groups.values()) group.sort(compareCards);
  return groups;
}

const compareCards = ({ task: a }: Card, { task: b }: Card): number =>
  b.priority - a.priority || compareTexts(b.created_at, a.created_at) || compareTexts(a.id, b.id);

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
