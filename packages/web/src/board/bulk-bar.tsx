import { useBoardContext } from "./board-context.ts";
import styles from "./board.module.css";
import { actionNames, getActions, type TaskAction } from "./columns.ts";
import { performAction } from "./task-actions.ts";

/** What can be done with all selected tasks at once. */
export function BulkBar({ selected, onDone }: { selected: ReadonlySet<string>; onDone: () => void }) {
  const { store } = useBoardContext();
  const tasks = [...selected].flatMap((id) => store.cards.get(id)?.task ?? []);
  if (tasks.length === 0) return null;
  const [first, ...others] = tasks.map((task) => new Set(getActions(task)));
  const actions = [...(first ?? [])].filter((action) => others.every((set) => set.has(action)));
  const perform = (action: TaskAction) => {
    void performAction(store, action, tasks);
    onDone();
  };
  return (
    <div className={styles.bulk} role="toolbar" aria-label="Selected tasks">
      <span>{`${tasks.length} selected`}</span>
      {actions.map((action) => (
        <button key={action} onClick={() => perform(action)}>
          {actionNames[action]}
        </button>
      ))}
      {actions.length === 0 && <span>Nothing is possible for all of them.</span>}
      <button onClick={onDone}>Clear</button>
    </div>
  );
}
