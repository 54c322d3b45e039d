import { Menu } from "@base-ui/react/menu";
import { useNavigate } from "@tanstack/react-router";
import { toasts } from "../toasts/index.ts";
import { useBoardContext } from "./board-context.ts";
import styles from "./board.module.css";
import { actionNames, getActions } from "./columns.ts";
import type { Card } from "./store/index.ts";
import { performAction } from "./task-actions.ts";

export interface TaskMenuProps {
  readonly card: Card;
  readonly anchor: HTMLElement;
  readonly onClose: () => void;
}

/** What can be done with one task: the same as by dragging it and by keys. */
export function TaskMenu({ card: { task }, anchor, onClose }: TaskMenuProps) {
  const { store, toggleSelected } = useBoardContext();
  const navigate = useNavigate();
  const command = `wharf task show ${task.id.slice(0, 8)}`;
  const copy = async () => {
    await navigator.clipboard.writeText(command);
    toasts.show(`Copied: ${command}`);
  };
  return (
    <Menu.Root defaultOpen onOpenChange={(open) => !open && onClose()}>
      <Menu.Portal>
        <Menu.Positioner anchor={anchor} align="end" sideOffset={4} className={styles.positioner}>
          <Menu.Popup className={styles.menu} finalFocus={() => anchor}>
            <Menu.Item
              className={styles.menuItem}
              onClick={() => void navigate({ to: "/tasks/$taskId", params: { taskId: task.id } })}
            >
              Open
            </Menu.Item>
            {getActions(task).map((action) => (
              <Menu.Item
                key={action}
                className={styles.menuItem}
                onClick={() => void performAction(store, action, [task])}
              >
                {actionNames[action]}
              </Menu.Item>
            ))}
            <Menu.Separator className={styles.separator} />
            <Menu.Item className={styles.menuItem} onClick={() => toggleSelected(task.id)}>
              Select
            </Menu.Item>
            <Menu.Item className={styles.menuItem} onClick={() => void copy()}>
              Copy <code>{command}</code>
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
