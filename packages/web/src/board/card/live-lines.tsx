import { useState } from "react";
import { visible } from "../../text/index.ts";
import { useBoardContext } from "../board-context.ts";
import type { Card, Question } from "../store/index.ts";
import { answerQuestion, performAction } from "../task-actions.ts";
import styles from "./card.module.css";

/** What the task's agent does, what it waits for, and what it asks. */
export function LiveLines({ card: { task, live } }: { card: Card }) {
  const { store, canWrite } = useBoardContext();
  const isRunning = task.state === "IN_PROGRESS";
  const operation = live.wait ?? live.operation;
  return (
    <>
      {isRunning && live.progress !== undefined && (
        <progress className={styles.progress} value={live.progress} aria-label="Progress" />
      )}
      {isRunning && operation !== undefined && <p className={styles.operation}>{visible(operation)}</p>}
      {task.resume_at !== undefined && task.state === "BLOCKED" && (
        <p className={styles.operation}>{`resumes at ${formatTime(task.resume_at)}`}</p>
      )}
      {live.questions.map((question) => (
        <QuestionBox key={question.permission_id} taskId={task.id} question={question} />
      ))}
      {live.failure !== undefined && live.questions.length === 0 && !isRunning && (
        <p className={styles.failure}>{visible(live.failure)}</p>
      )}
      {task.state === "FAILED" && canWrite && (
        <div className={styles.answers}>
          <button onClick={() => void performAction(store, "start", [task])}>Start again</button>
        </div>
      )}
    </>
  );
}

function QuestionBox({ taskId, question }: { taskId: string; question: Question }) {
  const { store, canWrite } = useBoardContext();
  const [isSending, setSending] = useState(false);
  const answer = async (optionId: string) => {
    setSending(true);
    await answerQuestion(store, { taskId, question, optionId });
    setSending(false);
  };
  return (
    <div className={styles.question}>
      <p>
        Asks: <bdi>{visible(question.title ?? "May it continue?")}</bdi>
      </p>
      {canWrite && (
        <div className={styles.answers}>
          {question.options?.map(({ option_id, name, option_kind }) => (
            <button key={option_id} data-kind={option_kind} disabled={isSending} onClick={() => void answer(option_id)}>
              {visible(name)}
            </button>
          ))}
        </div>
      )}
      {question.expires_at !== undefined && (
        <p className={styles.operation}>{`Without an answer it is refused at ${formatTime(question.expires_at)}.`}</p>
      )}
    </div>
  );
}

const formatTime = (time: string): string =>
  new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
