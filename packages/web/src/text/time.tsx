const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** The time of day, with the date on hover. */
export function Time({ timestamp }: { timestamp: string }) {
  const date = new Date(timestamp);
  return (
    <time dateTime={timestamp} title={full.format(date)}>
      {clock.format(date)}
    </time>
  );
}
