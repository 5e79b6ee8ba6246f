/** The present, for views: reading `clock.now` shows it and keeps it fresh. */
const TICK_MS = 1_000;

let now = $state(Date.now());
let readers = 0;
let timer: ReturnType<typeof setInterval> | undefined;

export const clock = {
  /** UTC milliseconds, a second old at most while someone follows. */
  get now(): number {
    return now;
  },
  /** Keeps the clock going; call in an effect and return what it returns. */
  follow(): () => void {
    readers += 1;
    now = Date.now();
    timer ??= setInterval(() => (now = Date.now()), TICK_MS);
    return () => {
      readers -= 1;
      if (readers === 0) {
        clearInterval(timer);
        timer = undefined;
      }
    };
  },
};
