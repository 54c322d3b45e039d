import { Dialog } from "@base-ui/react/dialog";
import { type KeyboardEvent, useId, useState } from "react";
import { visible } from "../text/index.ts";
import type { Command } from "./page-commands.ts";
import styles from "./palette.module.css";
import { useCommands } from "./use-commands.ts";

export function PaletteDialog({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const commands = useCommands(text);
  const index = Math.min(chosen, commands.length - 1);
  const listId = useId();
  const getOptionId = (command: Command | undefined) => command && `${listId}-${command.id}`;
  const run = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") run(commands[index]);
    else if (step !== undefined && commands.length > 0) setChosen((index + step + commands.length) % commands.length);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog.Root defaultOpen onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={styles.backdrop} />
        <Dialog.Popup className={styles.dialog} aria-label="Commands and tasks">
          <input
            className={styles.input}
            role="combobox"
            aria-label="Find a command or a task"
            aria-expanded
            aria-controls={listId}
            aria-activedescendant={getOptionId(commands[index])}
            placeholder="Find a command or a task"
            value={text}
            onChange={({ target }) => {
              setText(target.value);
              setChosen(0);
            }}
            onKeyDown={onKeyDown}
          />
          <div id={listId} role="listbox" aria-label="Commands and tasks" className={styles.list}>
            {commands.map((command, i) => (
              // The keys are those of the input, which keeps the focus.
              <div
                key={command.id}
                id={getOptionId(command)}
                role="option"
                aria-selected={i === index}
                className={styles.option}
                onClick={() => run(command)}
                onPointerMove={() => setChosen(i)}
              >
                {visible(command.name)}
              </div>
            ))}
          </div>
          {commands.length === 0 && <output className={styles.nothing}>Nothing has this name.</output>}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
