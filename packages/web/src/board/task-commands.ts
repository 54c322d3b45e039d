import type { Command } from "../palette/index.ts";
import { actionNames, getActions } from "./columns.ts";
import type { BoardStore, Card } from "./store/index.ts";
import { answerQuestion, performAction } from "./task-actions.ts";

/** Lists what can be done with the task that the keys reached. */
export function listTaskCommands(store: BoardStore, { task, live }: Card): readonly Command[] {
  const subject = task.title.slice(0, 60);
  return [
    ...live.questions.flatMap((question) =>
      (question.options ?? []).map(({ option_id: optionId, name }) => ({
        id: `${question.permission_id}-${optionId}`,
        name: `${name}: ${question.title ?? "the question"} – ${subject}`,
        run: () => void answerQuestion(store, { taskId: task.id, question, optionId }),
      })),
    ),
    ...getActions(task).map((action) => ({
      id: action,
      name: `${actionNames[action]} – ${subject}`,
      run: () => void performAction(store, action, [task]),
    })),
  ];
}
