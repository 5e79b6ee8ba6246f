/** Runs a command on a click and says it when it failed. */
import { CallError } from "./backend/backend";
import { toasts } from "./toasts.svelte";

/** Resolves with what the work gave, or with undefined after its error was shown. */
export async function act<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (thrown) {
    const { message } = CallError.from(thrown);
    toasts.show(message, { tone: "danger" });
    return undefined;
  }
}
