/** Long work of the core: what runs, how far it is, and how it ended. */
import type { Job, JobId } from "$lib/bindings/api";
import { backend, CallError } from "./backend/backend";

let known = $state.raw<ReadonlyMap<JobId, Job>>(new Map());
const waiting = new Map<JobId, ((job: Job) => void)[]>();

function hear(job: Job): void {
  // An answer may come after the event that overtook it: what has ended does not run again.
  const before = known.get(job.id);
  if (before !== undefined && before.state !== "running") return;
  known = new Map(known).set(job.id, job);
  if (job.state === "running") return;
  for (const resolve of waiting.get(job.id) ?? []) resolve(job);
  waiting.delete(job.id);
}

export const jobs = {
  get(id: JobId | null): Job | undefined {
    return id === null ? undefined : known.get(id);
  },
  get running(): Job[] {
    return [...known.values()].filter((job) => job.state === "running");
  },
  /** Follows the core's events, and asks once for what already runs. Called by the frame. */
  follow(): () => void {
    backend.call("job_list", {}).then(
      ({ jobs: listed }) => listed.filter((job) => !known.has(job.id)).forEach(hear),
      // Without the list, jobs show with their next event.
      () => undefined,
    );
    return backend.onEvent((event) => {
      if ("job" in event) hear(event.job);
    });
  },
  /** Resolves when the job is done; rejects with its error, or with code `cancelled`. */
  async wait(id: JobId): Promise<Job> {
    const job = await new Promise<Job>((resolve, reject) => {
      const now = known.get(id);
      if (now !== undefined && now.state !== "running") return resolve(now);
      waiting.set(id, [...(waiting.get(id) ?? []), resolve]);
      // Its end may have been announced before anyone listened.
      backend.call("job_get", { job: id }).then(hear, reject);
    });
    if (job.error !== null) throw new CallError(job.error);
    if (job.state === "cancelled") throw new CallError({ code: "cancelled", message: `${job.title} was cancelled.` });
    return job;
  },
  async cancel(id: JobId): Promise<void> {
    await backend.call("job_cancel", { job: id });
  },
};
